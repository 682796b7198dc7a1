/** What was translated, kept in this browser only; can be opened again, deleted, or not kept at all. */

import { byId, element, openDialog } from "./dom.js";
import { language, t } from "./i18n.js";
import { AUTO, domainLabel } from "./languages.js";
import { recall, remember } from "./storage.js";

const MOST = 50;
const LONGEST = 5000; // characters of one text: fifty of them fit the five megabytes a browser gives
const PAUSE = 2000; // ms without another key, after which a text counts as finished

/** Connects the drawer to `pane`; `open` is called with the entry that is picked. `menus` names the languages. */
export function connectHistory(pane, menus, open) {
  let pending = null;
  let timer = 0;
  const commit = () => {
    clearTimeout(timer);
    if (pending) add(pending);
    pending = null;
  };

  pane.addEventListener("translated", ({ detail: { request, reply } }) => {
    clearTimeout(timer);
    pending = {
      source: request.source,
      target: request.target,
      domain: request.domain ?? "",
      detected: reply.detectedLanguage?.language ?? null,
      text: request.q,
      translation: reply.translatedText,
      time: Date.now(),
    };
    timer = setTimeout(commit, PAUSE);
  });
  addEventListener("pagehide", commit);
  pane.text.addEventListener("blur", commit);

  const keep = byId("history-keep");
  keep.checked = isKept();
  keep.addEventListener("change", () => remember("history.keep", keep.checked));
  byId("history-clear").addEventListener("click", () => {
    remember("history", []);
    render(menus, open);
    keep.focus();
  });
  byId("history-open").addEventListener("click", () => {
    commit();
    render(menus, open);
    openDialog(byId("history"));
  });
}

const isKept = () => recall("history.keep", true);

function add(entry) {
  if (!isKept() || entry.text.length > LONGEST) return;
  const isSame = (other) =>
    ["source", "target", "domain", "text"].every((field) => (other[field] ?? "") === (entry[field] ?? ""));
  const entries = recall("history", []).filter((other) => !isSame(other));
  if (entries[0] && isDraft(entries[0], entry)) entries.shift();
  entries.unshift(entry);
  entries.length = Math.min(entries.length, MOST);
  remember("history", entries);
}

/** Whether `older` was an unfinished state of `newer`: one is the start of the other, a minute apart at most. */
function isDraft(older, newer) {
  const isSame = ["source", "target", "domain"].every((field) => (older[field] ?? "") === (newer[field] ?? ""));
  return isSame && newer.time - older.time < 60_000 && newer.text.startsWith(older.text);
}

function render(menus, open) {
  const entries = recall("history", []);
  byId("history-empty").hidden = entries.length > 0;
  byId("history-clear").hidden = entries.length === 0;
  byId("history-list").replaceChildren(...entries.map((entry) => row(entry, menus, open)));
}

const domainName = (domain) => (domain === AUTO ? t("Automatic domain") : domainLabel(domain));

function row(entry, menus, open) {
  const time = new Date(entry.time).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  const languages = `${menus.name(entry.detected ?? entry.source)} → ${menus.name(entry.target)}`;
  const pair = entry.domain ? `${languages}, ${domainName(entry.domain)}` : languages;
  const pick = element(
    "button",
    { type: "button", className: "entry" },
    element("span", { textContent: entry.text, dir: "auto" }),
    element("span", { className: "said", textContent: entry.translation, dir: "auto" }),
    element("small", { textContent: `${pair}, ${time}` }),
  );
  const remove = element("button", {
    type: "button",
    className: "quiet",
    textContent: t("Delete"),
    "aria-label": t("Delete “{text}”", { text: entry.text.slice(0, 40) }),
  });
  pick.addEventListener("click", () => {
    byId("history").close();
    open(entry);
  });
  remove.addEventListener("click", () => {
    remember("history", recall("history", []).filter(({ time }) => time !== entry.time));
    render(menus, open);
    (byId("history-list").querySelector(".entry") ?? byId("history-keep")).focus();
  });
  return element("li", {}, pick, remove);
}
