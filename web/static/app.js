/** Starts the translation page: asks the server what it can do, then connects the parts. */

import { connectAlternatives } from "./alternatives.js";
import * as api from "./api.js";
import { copyText } from "./copy.js";
import { connectDictionary } from "./dictionary.js";
import { connectDocuments } from "./documents.js";
import { connectDomain } from "./domain.js";
import { announce, byId, flash, openDialog } from "./dom.js";
import { connectHistory } from "./history.js";
import { t } from "./i18n.js";
import { AUTO, LanguageMenus } from "./languages.js";
import { followOffer } from "./offer.js";
import { formatLink, readLink, writeLink } from "./link.js";
import { hideNotice, showNotice } from "./notice.js";
import { connectSameLanguage } from "./same-language.js";
import { connectSpeech } from "./speech.js";
import { recall, remember } from "./storage.js";
import { connectSuggestion } from "./suggestion.js";
import { TraceView } from "./trace.js";
import { TranslatePane } from "./translate-pane.js";
import { connectWordChoices } from "./word-choices.js";

async function start() {
  try {
    const [languages, settings] = await Promise.all([api.languages(), api.settings()]);
    if (languages.length === 0) throw new Error(t("This server has no languages. Start it with a trained model."));
    connect(languages, settings);
  } catch (error) {
    console.error(error);
    showNotice(error.message, { retry: start });
  }
}

function connect(languages, settings) {
  const menus = new LanguageMenus(languages);
  const trace = new TraceView(byId("trace"), byId("trace-toggle"));
  const pane = new TranslatePane(menus, settings, () => trace.fields);

  connectAlternatives(pane);
  connectDictionary(pane, menus);
  connectDomain(pane);
  connectDocuments(menus, settings);
  if (settings.suggestions) connectSuggestion(pane, menus);
  connectHistory(pane, menus, (entry) => {
    pane.replace(() => {
      menus.start(entry.source, entry.target, entry.domain);
      pane.write(entry.text);
    });
    pane.text.focus();
  });
  connectTrace(pane, trace);
  connectCopying(pane, menus);
  connectSameLanguage(pane, menus);
  connectSpeech(pane, menus);
  connectWordChoices(pane);
  followOffer(pane, menus, languages);
  connectKey(pane, settings);
  connectKeyboard(pane);
  byId("swap").addEventListener("click", () => pane.swap());
  byId("shortcuts-open").addEventListener("click", () => openDialog(byId("shortcuts")));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment of the address is taken
    pane.text.focus();
  });

  followLink(pane, menus, settings);
  document.body.dataset.ready = "yes";
}

/** The address decides what is shown first, and follows what is translated. */
function followLink(pane, menus, settings) {
  const last = recall("pair");
  const defaults = last ?? {
    source: settings.language?.source?.code ?? AUTO,
    target: settings.language?.target?.code,
  };
  const open = (link) => {
    menus.start(link?.source ?? defaults.source, link?.target ?? defaults.target, link?.domain);
    menus.isTargetChosen ||= Boolean(link?.target ?? last);
    // What was typed while the page loaded is not thrown away.
    pane.write(link ? link.text : pane.text.value);
  };
  const update = () => {
    const { source, target } = menus.fields;
    if (menus.isTargetChosen) remember("pair", { source, target });
    writeLink({ ...menus.fields, text: pane.text.value });
  };
  open(readLink());
  addEventListener("hashchange", () => {
    const link = readLink();
    if (link) open(link);
  });
  menus.addEventListener("change", update);
  for (const event of ["translated", "cleared"]) pane.addEventListener(event, update);
}

function connectTrace(pane, trace) {
  trace.addEventListener("toggled", () => {
    if (trace.isOn && pane.text.value.trim() !== "") pane.translate();
  });
  pane.addEventListener("translated", ({ detail: { reply } }) => trace.show(reply.trace));
  pane.addEventListener("cleared", () => trace.show(null));
}

function connectCopying(pane, menus) {
  const [copy, link] = [byId("copy"), byId("link-copy")];
  copy.addEventListener("click", () => copyText(pane.output.textContent, copy));
  link.addEventListener("click", () => {
    const fragment = formatLink({ ...menus.fields, text: pane.text.value });
    if (fragment) return copyText(new URL(fragment, location.href).href, link);
    flash(link, t("Too long"));
    announce(t("The text is too long for a link"));
  });
  pane.addEventListener("translated", () => (copy.disabled = link.disabled = false));
  pane.addEventListener("cleared", () => (copy.disabled = link.disabled = true));
}

/** Where the server hands out keys, the reader can enter one. */
function connectKey(pane, settings) {
  if (!settings.apiKeys && !settings.keyRequired) return;
  const [dialog, field] = [byId("key"), byId("key-text")];
  const save = (event) => {
    event.preventDefault();
    remember("key", field.value.trim());
    dialog.close();
    pane.translate();
  };
  byId("key-open").hidden = false;
  byId("key-open").addEventListener("click", () => {
    field.value = recall("key") ?? "";
    openDialog(dialog);
  });
  byId("key-form").addEventListener("submit", save);
}

function connectKeyboard(pane) {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (event.shiftKey) pane.swap();
      else pane.translate();
    }
    const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    const isElsewhere = document.activeElement !== pane.text && document.activeElement?.matches("input, textarea");
    if (isUndo && !isElsewhere && pane.undo()) event.preventDefault();
    if (event.key === "F2") {
      event.preventDefault();
      byId("copy").click();
    }
    if (event.key === "Escape") {
      hideNotice();
      pane.text.focus();
    }
  });
}

start();
