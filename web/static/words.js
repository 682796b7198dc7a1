/** Which words of two texts differ: the longest common subsequence of their words. */

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
  const lengths = commonLengths(a, b);
  const kept = [new Set(), new Set()];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      kept[0].add(i++);
      kept[1].add(j++);
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return [a, b].map((words, side) =>
    words.map((text, index) => ({ text, changed: text.trim() !== "" && !kept[side].has(index) })),
  );
}

function split(text) {
  return text.match(/\s+|[^\s]+/gu) ?? [];
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
