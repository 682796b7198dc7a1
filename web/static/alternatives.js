/** Other wordings, asked for only on demand: they cost the server a wider search. */

import * as api from "./api.js";
import { copyText } from "./copy.js";
import { announce, byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { showNotice } from "./notice.js";

const WANTED = 3;

/** Connects the button and the list to `pane`. */
export function connectAlternatives(pane) {
  const button = byId("alternatives-ask");
  let inFlight = null;

  const close = () => {
    inFlight?.abort();
    inFlight = null;
    byId("alternatives").hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.removeAttribute("aria-busy");
  };
  const open = async () => {
    inFlight = new AbortController();
    const { signal } = inFlight;
    button.setAttribute("aria-busy", "true");
    try {
      const reply = await askAlternatives(pane.answered.request, WANTED, signal);
      if (signal.aborted) return;
      render(pane, reply.alternatives ?? []);
      byId("alternatives").hidden = false;
      button.setAttribute("aria-expanded", "true");
    } catch (error) {
      if (!signal.aborted) showNotice(error.message, { retry: open });
    } finally {
      if (!signal.aborted) button.removeAttribute("aria-busy");
    }
  };

  button.addEventListener("click", () => {
    if (button.getAttribute("aria-expanded") === "true") close();
    else open();
  });
  for (const event of ["changed", "cleared"]) {
    pane.addEventListener(event, () => {
      close();
      button.disabled = true;
    });
  }
  pane.addEventListener("translated", () => (button.disabled = false));
}

/** Asks for `count` alternatives, or for as many as the server allows. */
export async function askAlternatives(request, count, signal) {
  try {
    return await api.translate({ ...request, trace: false, alternatives: count }, signal);
  } catch (error) {
    const most = Number(/alternatives parameter must be <= (\d+)/.exec(error.reason ?? "")?.[1] ?? count);
    if (most >= count) throw error;
    return most > 0 ? askAlternatives(request, most, signal) : { alternatives: [] };
  }
}

function render(pane, wordings) {
  const list = byId("alternatives-list");
  if (wordings.length === 0) {
    list.replaceChildren(element("li", { className: "hint", textContent: t("The model offers no other wording.") }));
  } else {
    list.replaceChildren(...wordings.map((wording) => row(pane, wording)));
  }
  announce(wordings.length === 1 ? t("1 alternative") : t("{count} alternatives", { count: wordings.length }));
}

function row(pane, wording) {
  const use = element("button", { type: "button", className: "quiet", textContent: t("Use") });
  const copy = element("button", { type: "button", className: "quiet", textContent: t("Copy") });
  const text = element("p", { textContent: wording, dir: "auto", lang: pane.answered.request.target });
  use.addEventListener("click", () => {
    const previous = pane.output.textContent;
    pane.say(text.textContent);
    text.textContent = previous; // the two change places
    announce(t("Shown as the translation"));
  });
  copy.addEventListener("click", () => copyText(text.textContent, copy));
  return element("li", {}, text, use, copy);
}
