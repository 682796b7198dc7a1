/** The weights of one token, layer by layer. */

import { element } from "./dom.js";
import { hueOf } from "./hue.js";
import { fixed, t } from "./i18n.js";

/** Whether `token` begins a word: vocabularies mark that with a space, or with a character for one. */
export const startsWord = (token) => /^[ ▁Ġ]/.test(token.text);

/** The text of `token` without that mark. */
export const wordOf = (token) => token.text.replace(/^[ ▁Ġ]/, "");

/** The panel for `token`, or an invitation where it is null. */
export function tokenDetail(token) {
  const panel = element("div", { className: "token-detail" });
  if (!token) {
    panel.append(
      element("h3", { textContent: t("Weights") }),
      element("p", { className: "hint", textContent: t("Point at a token, or move to it with Tab and the arrow keys, to see its experts and their weights in each layer. Press it to keep it here.") }),
    );
    return panel;
  }
  const title = element("h3", {}, t("Weights of"), " ", element("span", { className: "text", textContent: wordOf(token) || "␣" }));
  const rows = token.layers.map(({ layer, experts }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: layer }),
      element("td", {}, element("ul", {}, ...experts.map(weightRow))),
    ),
  );
  const table = element("table", { className: "weights" }, element("tbody", {}, ...rows));
  panel.append(title, rows.length > 0 ? table : element("p", { className: "hint", textContent: t("No expert layer saw this token.") }));
  return panel;
}

function weightRow({ name, weight }) {
  return element(
    "li",
    { hue: hueOf(name), share: Math.min(1, Math.max(0, weight)) },
    element("span", { textContent: name }),
    element("span", { textContent: fixed(weight, 2) }),
    element("span", { className: "bar", "aria-hidden": "true" }),
  );
}
