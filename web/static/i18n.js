/**
 * The language of the interface. English is written in the pages and scripts; `strings/CODE.js` holds what the same
 * texts are in another language. A language is added by a file there and a line in `LANGUAGES`.
 */

import { recall, remember } from "./storage.js";

/** The languages of the interface, each by its own name. */
export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  nl: "Nederlands",
  it: "Italiano",
  pt: "Português",
};

/** Attributes that hold text. */
const ATTRIBUTES = ["aria-label", "placeholder", "title", "data-empty"];

/** What is the same in all languages; the page of the API is in English, as the descriptions of the calls are. */
const UNTOUCHED = "code, kbd, script, style, noscript, [data-verbatim]";

const preferred = [recall("interface"), ...navigator.languages.map((tag) => tag.split("-")[0])];

/** The language that is shown: the chosen one, or the first of the browser's that there is. */
export const language = preferred.find((code) => code in LANGUAGES) ?? "en";

const table = language === "en" ? {} : (await import(`./strings/${language}.js`)).default;

/** Texts that were asked for and are not in the table, for the tests. */
export const missing = new Set();

/** `text` in the language of the interface, with `{name}` replaced by `values.name`. */
export function t(text, values = {}) {
  if (language !== "en" && !(text in table)) missing.add(text);
  return (table[text] ?? text).replaceAll(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A number as the language writes it. */
export const number = (value, options) => value.toLocaleString(language, options);

/** A number with as many decimals as `digits` says. */
export const fixed = (value, digits) => number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Chooses another language for the interface; the page starts anew in it. */
export function chooseLanguage(code) {
  remember("interface", code);
  location.reload();
}

/** Translates the texts and names within `root`, which may be a document fragment. */
export function localise(root) {
  if (language === "en") return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const isElement = node.nodeType === Node.ELEMENT_NODE;
    if ((isElement ? node : node.parentElement)?.closest(UNTOUCHED)) continue;
    if (isElement) translateAttributes(node);
    else translateText(node);
  }
}

function translateAttributes(node) {
  for (const name of ATTRIBUTES) {
    const text = node.getAttribute(name);
    if (text && /\p{L}/u.test(text)) node.setAttribute(name, t(text));
  }
}

/** Blanks at both ends stay, and those within count as one. */
function translateText(node) {
  const [, before, text, after] = /^(\s*)([^]*?)(\s*)$/.exec(node.data);
  if (/\p{L}/u.test(text)) node.data = before + t(text.replaceAll(/\s+/g, " ")) + after;
}

document.documentElement.lang = language;
