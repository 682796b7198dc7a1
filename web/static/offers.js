/** The list of recommendations: titles, reasons, buttons, and what moved since the list before. */

import { element } from "./dom.js";
import { t } from "./i18n.js";

/** Shows `items` in `list`; `types` are the ways to touch one, and `tell(type, item)` does it. */
export function showOffers(list, items, { types, tell }) {
  const before = new Map([...list.children].map((row, place) => [row.dataset.item, place]));
  list.replaceChildren(...items.map((item, place) => row(item, place, { before, types, tell })));
}

function row(item, place, { before, types, tell }) {
  const title = item.Title || item.Id;
  const name = element("h3", {}, title);
  const tags = item.Categories.map((category) => element("span", { className: "tag", textContent: category }));
  const head = element("div", { className: "offer-head" }, name, ...tags, ...moved(item.Id, place, before));
  const buttons = types.map((type) => {
    const button = element("button", { type: "button", className: "quiet", textContent: type });
    button.setAttribute("aria-label", `${type}: ${title}`);
    button.addEventListener("click", () => tell(type, item.Id));
    return button;
  });
  const node = element("li", { dataset: { item: item.Id } }, head, element("div", { className: "actions" }, ...buttons));
  node.append(reasons(item.Because));
  return node;
}

/** How an item moved since the list before: an arrow with the places, or a word for a new one. */
function moved(id, place, before) {
  if (before.size === 0) return [];
  const mark = (className, textContent, label) => {
    const node = element("span", { className: `moved ${className}`, textContent });
    node.setAttribute("aria-label", label);
    return [node];
  };
  if (!before.has(id)) return mark("fresh", t("new"), t("new in the list"));
  const places = before.get(id) - place;
  if (places > 0) return mark("up", `↑${places}`, t("{places} up", { places }));
  if (places < 0) return mark("down", `↓${-places}`, t("{places} down", { places: -places }));
  return [];
}

/** The events that an item rests on, each with its share of what they add together. */
function reasons(because) {
  const node = element("p", { className: "because hint" });
  if (because.length === 0) return node;
  const sum = because.reduce((total, { Share }) => total + Share, 0);
  node.append(t("Because of"), " ");
  because.forEach(({ Title, ItemId, FeedbackType, Share }, index) => {
    if (index > 0) node.append(", ");
    node.append(element("span", { className: "reason", textContent: Title || ItemId }));
    node.append(` (${FeedbackType}, ${Math.round((100 * Share) / sum)} %)`);
  });
  return node;
}
