/** Which words of two texts differ, and what stands in place of one: by their longest common subsequence. */

import { wordsOf } from "./word-marks.js";

const MOST = 1500; // words of a text; beyond, the table of the comparison would grow too large

/**
 * Splits both texts into words and the blanks between them. Returns for each a list of
 * `{ text, changed }`, whose texts joined are the text.
 */
export function compareWords(first, second) {
  const [a, b] = [split(first), split(second)];
  if (a.length > MOST || b.length > MOST) {
    const whole = first !== second;
    return [[{ text: first, changed: whole }], [{ text: second, changed: whole }]];
  }
  const pairs = commonPairs(a, b);
  const kept = [new Set(pairs.map(([i]) => i)), new Set(pairs.map(([, j]) => j))];
  return [a, b].map((words, side) =>
    words.map((text, index) => ({ text, changed: text.trim() !== "" && !kept[side].has(index) })),
  );
}

/**
 * What `other` says in place of the word of `text` with number `index`: the words between the nearest ones that both
 * have. Null where both have the same word there, or nothing stands in its place.
 */
export function replacementOf(text, other, index) {
  const [a, b] = [wordsOf(text), wordsOf(other)];
  if (a.length > MOST || b.length > MOST) return null;
  const pairs = commonPairs(a.map(({ word }) => word), b.map(({ word }) => word));
  if (pairs.some(([i]) => i === index)) return null;
  const [, before] = pairs.findLast(([i]) => i < index) ?? [-1, -1];
  const [, after] = pairs.find(([i]) => i > index) ?? [a.length, b.length];
  const between = b.slice(before + 1, after);
  return between.length > 0 ? other.slice(between[0].start, between.at(-1).end) : null;
}

function split(text) {
  return text.match(/\s+|[^\s]+/gu) ?? [];
}

/** The longest common subsequence of `a` and `b`, as pairs of their indices. */
function commonPairs(a, b) {
  const lengths = commonLengths(a, b);
  const pairs = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}

/** For each pair of places how long the common subsequence of what follows is. */
function commonLengths(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const longer = Math.max(lengths[i + 1][j], lengths[i][j + 1]);
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : longer;
    }
  }
  return lengths;
}
