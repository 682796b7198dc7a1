/** A reader's edit of a translation, sent to the server; only where the server takes suggestions. */

import * as api from "./api.js";
import { domainOf } from "./domain.js";
import { announce, byId, flash } from "./dom.js";
import { t } from "./i18n.js";
import { showNotice } from "./notice.js";

/** Connects the box to `pane`; `menus` knows the detected language. */
export function connectSuggestion(pane, menus) {
  const [button, box, text] = [byId("suggestion-open"), byId("suggestion"), byId("suggestion-text")];
  button.hidden = false;

  const show = (open) => {
    box.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };
  const close = () => {
    show(false);
    button.focus();
  };
  const send = async () => {
    const { request } = pane.answered;
    const better = text.value.trim();
    if (better === "" || better === pane.output.textContent.trim()) {
      announce(t("Change the translation first"));
      flash(byId("suggestion-send"), t("Change it first"));
      text.focus();
      return;
    }
    const source = menus.sourceLanguage ?? request.source;
    const domain = domainOf(pane.answered);
    try {
      await api.suggest({ q: request.q, s: better, source, target: request.target, ...(domain && { domain }) });
      close();
      flash(button, t("Thank you"));
      announce(t("Your suggestion is stored. Thank you."));
    } catch (error) {
      showNotice(error.message, { retry: send });
    }
  };

  button.addEventListener("click", () => {
    if (!box.hidden) return close();
    text.value = pane.output.textContent;
    text.lang = pane.output.lang;
    show(true);
    text.focus();
  });
  byId("suggestion-cancel").addEventListener("click", close);
  byId("suggestion-send").addEventListener("click", send);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation();
    send();
  });
  for (const event of ["changed", "cleared"]) {
    pane.addEventListener(event, () => {
      show(false);
      button.disabled = true;
    });
  }
  pane.addEventListener("translated", () => (button.disabled = false));
}
