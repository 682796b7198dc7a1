/** One colour for each expert, the same on every page and in every session: it depends on the name alone. */

const GOLDEN_ANGLE = 137.508; // neighbours in a numbered family end up far apart

/** The hue of the expert `name`, in degrees. */
export function hueOf(name) {
  const [, family, count] = /^(.*?)(\d*)$/.exec(name);
  const hue = count ? hash(family) + Number(count) * GOLDEN_ANGLE : hash(name);
  return Math.round(hue % 360);
}

/** The kind of the expert `name`: what stands before the first dot. */
export const kindOf = (name) => name.split(".", 1)[0];

/** FNV-1a, with its bits mixed once more, as degrees. */
function hash(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return ((state ^ (state >>> 13)) >>> 0) % 360;
}
