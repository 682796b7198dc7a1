/** Who decides on a list: the segment experts by their gate, and the scorers that are blended. */

import { element } from "./dom.js";
import { hueOf } from "./hue.js";

const ABOUT = {
  "segment.new": "hardly known yet",
  "segment.power": "does much",
  "segment.trend": "follows what is popular",
  "segment.consistent": "stays with a few kinds of thing",
};

/** Shows the weights of a list in `node`, and in `about` what they are. */
export function showGate(node, about, { Segments, Blend, Group }) {
  const group = Group === "all" ? "" : ` This user is in the group “${Group}”.`;
  about.textContent =
    Segments.length > 0
      ? `The gate’s weights of the segment experts, from what this user did until now.${group}`
      : `No model decides on this list: it is made from the store as it is now.${group}`;
  node.replaceChildren(...[bars("Segments", Segments), bars("Blend", Blend)].filter(Boolean));
}

function bars(title, weights) {
  if (weights.length === 0) return null;
  const rows = weights.map(({ Name, Weight }) => {
    const share = Math.max(0, Math.min(1, Weight));
    const name = element("span", { className: "bar-name" }, Name.replace(/^segment\./, ""));
    if (ABOUT[Name]) name.append(element("span", { className: "hint", textContent: ` ${ABOUT[Name]}` }));
    const bar = element("span", { className: "bar", hue: hueOf(Name), share, "aria-hidden": "true" });
    const number = element("span", { className: "share", textContent: `${Math.round(100 * share)} %` });
    return element("li", { dataset: { name: Name } }, name, number, bar);
  });
  return element("div", {}, element("h3", { textContent: title }), element("ul", { className: "bars" }, ...rows));
}
