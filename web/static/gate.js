/** How a list is made: the user's segment, the weights of the segment experts, and the scorers that are blended. */

import { element } from "./dom.js";
import { hueOf } from "./hue.js";
import { number, t } from "./i18n.js";

/** What the segments mean, by the rules that the model was trained with. */
const SEGMENTS = {
  new: "few events yet",
  power: "more events than most",
  trend: "chooses what is popular",
  consistent: "stays with a few categories",
  other: "none of the other segments",
};

/** What the scorers are called in words. */
const SCORERS = {
  transformer: ["Sequence model", "the order of this user’s events"],
  popularity: ["Popular now", "what everybody chooses these days"],
  "popularity.ever": ["Popular overall", "what everybody chose, ever"],
  ease: ["Chosen together", "items that go with those in the history (EASE)"],
  neighbours: ["Similar items", "items that go with those in the history"],
  cooccurrence: ["Chosen next", "items that soon followed those in the history"],
  content: ["Similar descriptions", "labels and categories in common"],
  latest: ["Newest first", "by date alone"],
  labels: ["Popular with similar users", "what users with the same labels choose"],
};

const LEAST = 0.005; // a smaller weight would be shown as 0 %

/** Shows the weights of a list in `node`, and in `about` what they are; `events` is the length of the history. */
export function showGate(node, about, { Segments, Segment, Blend, Group }, { asNew, events }) {
  about.replaceChildren(...aboutUser({ Segments, Segment, Group }, { asNew, events }));
  const segments = Segments.map(({ Name, Weight }) => ({ Name, Weight, title: Name.replace(/^segment\./, ""), about: "" }));
  const scorers = Blend.map(({ Name, Weight }) => {
    const [title, words] = SCORERS[Name]?.map((text) => t(text)) ?? [Name, ""];
    return { Name, Weight, title, about: words };
  });
  const parts = [
    bars(t("Weights of the segment experts"), segments),
    bars(Segments.length > 0 ? t("Weights of the scorers") : t("Made from"), scorers),
  ];
  node.replaceChildren(...parts.filter(Boolean));
}

/** Who the user is to the model. */
function aboutUser({ Segments, Segment, Group }, { asNew, events }) {
  const count = events === 1 ? t("1 event") : t("{count} events", { count: number(events) });
  const group = ["all", "session"].includes(Group) ? "" : ` ${t("In the group “{group}”.", { group: Group })}`;
  if (asNew) return [t("As for a user without events."), group];
  if (Segments.length === 0) return [`${count}. `, t("No model is used for this list: it is made from the store as it is now."), group];
  if (!Segment) return [`${count}.${group}`];
  const name = element("strong", { textContent: Segment });
  const words = SEGMENTS[Segment] ? ` (${t(SEGMENTS[Segment])})` : "";
  return [`${count}. `, t("Segment by rule:"), " ", name, `${words}. `, t("The gate, which is learned, mixes the experts as shown."), group];
}

/** The weights that count, the greatest first, and the names of those that do not. */
function bars(heading, weights) {
  if (weights.length === 0) return null;
  const ranked = weights.toSorted((a, b) => b.Weight - a.Weight);
  const rows = ranked.filter(({ Weight }) => Weight >= LEAST).map(bar);
  const unused = ranked.filter(({ Weight }) => Weight < LEAST).map(({ title }) => title);
  const node = element("div", {}, element("h3", { textContent: heading }), element("ul", { className: "bars" }, ...rows));
  if (unused.length > 0) node.append(element("p", { className: "hint", textContent: t("Not used here: {names}.", { names: unused.join(", ") }) }));
  return node;
}

function bar({ Name, Weight, title, about }) {
  const share = Math.max(0, Math.min(1, Weight));
  const name = element("span", { className: "bar-name", title: about }, title);
  if (about) name.append(element("span", { className: "hint", textContent: ` ${about}` }));
  const line = element("span", { className: "bar", hue: hueOf(Name), share, "aria-hidden": "true" });
  const number = element("span", { className: "share", textContent: `${Math.round(100 * share)} %` });
  return element("li", { dataset: { name: Name } }, name, number, line);
}
