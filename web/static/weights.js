/** Reads a trace: the share of each expert in one token, or in all of them. */

export const ALL_LAYERS = "";

/** Names of the layers that `tokens` passed, in order. */
export function layersOf(tokens) {
  return [...new Set(tokens.flatMap((token) => token.layers.map(({ layer }) => layer)))];
}

/** Shares of the experts in `token`, largest first, as `[name, share]`; a mean where `layer` is all layers. */
export function sharesOf(token, layer) {
  const layers = token.layers.filter((visit) => layer === ALL_LAYERS || visit.layer === layer);
  const sums = new Map();
  for (const { experts } of layers) {
    const total = experts.reduce((sum, { weight }) => sum + weight, 0) || 1;
    for (const { name, weight } of experts) {
      sums.set(name, (sums.get(name) ?? 0) + weight / total / layers.length);
    }
  }
  return ranked(sums);
}

/** Shares of the experts in all `parts`, each `{ tokens, layer }`, largest first. */
export function totalShares(parts) {
  const sums = new Map();
  let counted = 0;
  for (const { tokens, layer } of parts) {
    for (const token of tokens) {
      const shares = sharesOf(token, layer);
      if (shares.length > 0) counted += 1;
      for (const [name, share] of shares) sums.set(name, (sums.get(name) ?? 0) + share);
    }
  }
  return ranked(sums).map(([name, sum]) => [name, sum / counted]);
}

function ranked(sums) {
  return [...sums].sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
}
