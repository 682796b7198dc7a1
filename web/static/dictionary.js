/** A single word as a dictionary shows it: the model's other translations, and what each of them means. */

import { askAlternatives } from "./alternatives.js";
import { announce, byId, element } from "./dom.js";
import { t } from "./i18n.js";

const WANTED = 8; // translations asked for; the server may allow fewer
const MEANINGS = 2; // other meanings asked for of each translation
const LONGEST = 40; // characters of what counts as a word

/** Shows the list while the text is one word that has several translations. */
export function connectDictionary(pane, menus) {
  const section = byId("dictionary");
  let inFlight = null;

  const close = () => {
    inFlight?.abort();
    inFlight = null;
    section.hidden = true;
  };
  const open = async () => {
    close();
    const { request, reply } = pane.answered;
    if (!isWord(request.q)) return;
    inFlight = new AbortController();
    const { signal } = inFlight;
    try {
      const { alternatives = [] } = await askAlternatives(request, WANTED, signal);
      const words = distinct([reply.translatedText, ...alternatives].filter(isWord));
      if (signal.aborted || words.length < 2) return;
      const source = request.source === "auto" ? reply.detectedLanguage?.language : request.source;
      const meanings = menus.canTranslate(request.target, source)
        ? await ask(words, request.target, source, signal)
        : words.map(() => []);
      if (signal.aborted) return;
      const rows = words.map((word, i) => row(pane, word, request.target, meanings[i], source));
      byId("dictionary-title").textContent = t("Translations of “{word}”", { word: bare(request.q) });
      byId("dictionary-list").replaceChildren(...rows);
      section.hidden = false;
    } catch (error) {
      // The translation itself is there; what the list would add is not worth a notice.
      if (error.name !== "AbortError") console.warn(error);
    }
  };

  for (const event of ["changed", "cleared"]) pane.addEventListener(event, close);
  pane.addEventListener("translated", open);
}

/** What each of `words` means in the other language, most likely first. */
async function ask(words, source, target, signal) {
  const reply = await askAlternatives({ q: words, source, target, format: "text" }, MEANINGS, signal);
  const others = reply.alternatives ?? [];
  return words.map((_, i) => distinct([reply.translatedText[i], ...(others[i] ?? [])].filter(isWord)));
}

/** Whether `text` is a single word, with an article perhaps. */
function isWord(text) {
  const words = bare(text).split(/\s+/u);
  return words.length <= 2 && bare(text).length <= LONGEST && /^\p{L}[\p{L}\p{M}’' -]*$/u.test(bare(text));
}

/** `text` without blanks and marks at its ends. */
function bare(text) {
  return text.replace(/^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
}

/** Texts that differ in more than capitals and marks, the first of each. */
function distinct(texts) {
  const found = new Map();
  for (const text of texts) {
    const key = bare(text).toLocaleLowerCase();
    if (!found.has(key)) found.set(key, bare(text));
  }
  return [...found.values()];
}

function row(pane, word, language, meanings, source) {
  const use = element("button", { type: "button", className: "word", textContent: word, lang: language });
  use.addEventListener("click", () => {
    pane.say(word);
    announce(t("Shown as the translation"));
  });
  const meaning = element("span", { className: "hint", textContent: meanings.join(", "), lang: source ?? "" });
  return element("li", {}, use, meaning);
}
