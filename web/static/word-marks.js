/** The words of a translation, as elements that can be pointed at. */

import { element } from "./dom.js";

const WORD = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;
const MOST = 1500; // words; beyond, the comparison with other wordings would be too slow

/** Writes `text` into `node`, each word in a `<span class="word-mark">`; its text stays `text`. */
export function markWords(node, text) {
  const words = [...text.matchAll(WORD)];
  if (words.length > MOST) {
    node.textContent = text;
    return;
  }
  const parts = [];
  let end = 0;
  for (const { 0: word, index } of words) {
    parts.push(text.slice(end, index), element("span", { className: "word-mark", textContent: word }));
    end = index + word.length;
  }
  node.replaceChildren(...[...parts, text.slice(end)].filter((part) => part !== ""));
}

/** The words of `text`, each `{ word, start, end }`. */
export const wordsOf = (text) =>
  [...text.matchAll(WORD)].map(({ 0: word, index }) => ({ word, start: index, end: index + word.length }));
