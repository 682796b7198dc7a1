/** What a domain changes: a translation with it and without it, side by side. */

import * as api from "./api.js";
import { announce, byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { domainLabel } from "./languages.js";
import { showNotice } from "./notice.js";
import { compareWords } from "./words.js";

/** Connects the button and the panel to `pane`, and says what a guessed domain is. */
export function connectDomain(pane) {
  const [button, panel, hint] = [byId("compare"), byId("comparison"), byId("domain-guess")];
  let inFlight = null;

  const close = () => {
    inFlight?.abort();
    inFlight = null;
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.removeAttribute("aria-busy");
  };
  const open = async () => {
    inFlight = new AbortController();
    const { signal } = inFlight;
    button.setAttribute("aria-busy", "true");
    try {
      const { domain: _, ...request } = pane.answered.request;
      const reply = await api.translate({ ...request, trace: false }, signal);
      if (signal.aborted) return;
      render(reply.translatedText, pane.answered.reply.translatedText, domainOf(pane.answered), request.target);
      panel.hidden = false;
      button.setAttribute("aria-expanded", "true");
    } catch (error) {
      if (!signal.aborted) showNotice(error.message, { retry: open });
    } finally {
      if (!signal.aborted) button.removeAttribute("aria-busy");
    }
  };

  button.addEventListener("click", () => (button.getAttribute("aria-expanded") === "true" ? close() : open()));
  for (const event of ["changed", "cleared"]) {
    pane.addEventListener(event, () => {
      close();
      button.hidden = true;
      hint.hidden = true;
    });
  }
  pane.addEventListener("translated", ({ detail }) => {
    button.hidden = !domainOf(detail);
    const guess = detail.reply.domain;
    hint.hidden = !guess;
    if (!guess) return;
    const name = guess.name ? domainLabel(guess.name) : t("General");
    hint.textContent = `${name}, ${Math.round(guess.confidence)} %`;
  });
}

/** The domain that a translation was made with; null where there was none. */
export function domainOf({ request, reply }) {
  if (request.domain === "auto") return reply.domain?.name ?? null;
  return request.domain ?? null;
}

function render(without, withIt, domain, language) {
  const [before, after] = compareWords(without, withIt);
  write(byId("comparison-without"), before, language);
  write(byId("comparison-with"), after, language);
  byId("comparison-name").textContent = domainLabel(domain);
  const changed = after.filter((word) => word.changed).length;
  const words = changed === 1 ? t("1 word differs.") : t("{changed} words differ.", { changed });
  byId("comparison-sum").textContent = without === withIt ? t("The domain changes nothing here.") : words;
  announce(byId("comparison-sum").textContent);
}

function write(node, words, language) {
  node.lang = language;
  node.replaceChildren(
    ...words.map(({ text, changed }) => (changed ? element("mark", { textContent: text }) : text)),
  );
}
