/** The card of an expert that came to a finished model: where it comes from, what it learned, what it does. */

import { element } from "./dom.js";
import { corporaOf, dateOf, layersOf, routeOf, storyOf } from "./expert-story.js";
import { hueOf } from "./hue.js";
import { fixed, number, t } from "./i18n.js";

/** The card of `expert`; `load` is the number of rows it computed since the server started, where that is known. */
export function expertCard(expert, load) {
  const { scores, training } = storyOf(expert);
  const facts = [
    [t("Parent"), expert.parent ?? ""],
    [t("Covers"), expert.rule ?? (expert.routes ?? []).map(routeOf).join(", ")],
    [t("Data"), corporaOf(expert.trained_on)],
    [t("Training"), training.join("; ")],
    [t("Size"), sizeOf(expert)],
    [t("Load"), loadOf(load)],
  ].filter(([, text]) => text !== "");
  const date = element("span", { className: "hint created", textContent: dateOf(expert.created) });
  const head = element("h3", {}, expertName(expert), date);
  const list = element("dl", { className: "facts" });
  for (const [name, text] of facts) {
    list.append(element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: text })));
  }
  const node = element("article", { className: "expert", dataset: { expert: expert.name } }, head, list);
  if (scores.length > 0) node.append(...gains(expert, scores));
  return node;
}

/** The name of an expert, with its colour. */
export function expertName({ name, kind }) {
  const swatch = element("span", { className: "swatch", hue: hueOf(name), dataset: { kind }, "aria-hidden": "true" });
  return element("span", { className: "name" }, swatch, element("code", { textContent: name }));
}

function sizeOf({ layers, d_ff, lora }) {
  const width = lora ? t("low-rank, rank {lora}", { lora }) : d_ff ? t("width {d_ff}", { d_ff }) : "";
  return [width, layersOf(layers ?? [])].filter(Boolean).join("; ");
}

function loadOf(rows) {
  if (rows === undefined) return "";
  if (rows === 0) return t("not used since the server started");
  return t("{rows} token visits (a token in a layer) since the server started", { rows: number(rows) });
}

/** The scores as a table: a row for each pair, a column for each test set, and what the expert changed. */
function gains(expert, scores) {
  const columns = [...new Set(scores.map(columnOf))];
  const pairs = [...new Set(scores.map(({ pair }) => pair))];
  const found = (pair, column) => scores.filter((score) => score.pair === pair && columnOf(score) === column);
  const row = (name, groups) =>
    element("tr", {}, element("th", { scope: "row", textContent: name }), ...groups.map(gainCell));
  const rows = pairs.map((pair) => row(pair ? routeOf(pair) : "", columns.map((column) => found(pair, column))));
  if (pairs.length > 1) {
    rows.push(row(t("mean"), columns.map((column) => scores.filter((score) => columnOf(score) === column))));
    rows.at(-1).className = "mean";
  }
  const heads = ["", ...columns].map((text) =>
    text ? element("th", { scope: "col", textContent: text }) : element("td", {}),
  );
  const table = element(
    "table",
    { className: "gains" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
  const label = t("Scores of {name}", { name: expert.name });
  const nodes = [element("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": label }, table)];
  if (expert.kind === "domain" && columns.length > 1) {
    const text = t("Scores with the domain switched on for every text, and the difference from those without it. A loss on a general test is the cost of asking for the domain on the wrong text.");
    nodes.push(element("p", { className: "hint", textContent: text }));
  }
  return nodes;
}

const columnOf = ({ measure, set }) => `${measure} ${set}`.trim();

/** The mean of `scores`, and how far it is from the mean before. */
function gainCell(scores) {
  const node = element("td", { className: "figure" });
  if (scores.length === 0) return node;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const after = mean(scores.map(({ value }) => value));
  node.append(fixed(after, 1));
  if (scores.some(({ before }) => before === null)) return node;
  const before = mean(scores.map((score) => score.before));
  const change = after - before;
  const sign = change >= 0 ? "+" : "−";
  const text = `${sign}${fixed(Math.abs(change), 1)}`;
  node.append(" ", element("span", { className: change >= 0 ? "gain" : "loss", textContent: text, title: t("{before} before", { before: fixed(before, 1) }) }));
  return node;
}
