/** The experts page: the register as a table. */

import * as api from "./api.js";
import { byId, element } from "./dom.js";
import { hueOf } from "./hue.js";
import { showNotice } from "./notice.js";

/** Kinds in the order in which they are shown, with what they are for. */
const KINDS = {
  pair: "One language pair each, in one direction.",
  domain: "One subject each, asked beside the others when a request names it.",
  segment: "One group of users each.",
  catalogue: "One catalogue each, with all that the model knows of its items.",
  free: "Shared by all routes. What each is good at, it found out by itself.",
};

async function start() {
  try {
    const experts = await api.experts();
    render(Array.isArray(experts) ? experts : []);
  } catch (error) {
    showNotice(error.message, { retry: start });
  }
}

function render(experts) {
  const known = Object.keys(KINDS);
  const kinds = [...known, ...new Set(experts.map(({ kind }) => kind).filter((kind) => !known.includes(kind)))];
  const sections = kinds
    .map((kind) => [kind, experts.filter((expert) => expert.kind === kind)])
    .filter(([, members]) => members.length > 0)
    .map(([kind, members]) => section(kind, members));
  byId("register").replaceChildren(...(sections.length > 0 ? sections : [empty()]));
  document.body.dataset.ready = "yes";
}

function empty() {
  const text = "This model has no experts of its own: it is dense, one network for everything.";
  return element("p", { className: "empty", textContent: text });
}

function section(kind, experts) {
  const columns = columnsOf(experts);
  const head = element("tr", {}, ...columns.map(({ title }) => element("th", { scope: "col", textContent: title })));
  const rows = experts.map((expert) => element("tr", {}, ...columns.map((column) => cell(column, expert))));
  const table = element(
    "table",
    { className: "register" },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  const name = `${kind} experts`;
  const title = element("h2", { id: `kind-${kind}` }, name, element("span", { className: "number", textContent: ` ${experts.length}` }));
  const about = element("p", { className: "hint", textContent: KINDS[kind] ?? "" });
  return element("section", { className: "card", "aria-labelledby": `kind-${kind}` }, title, about, table);
}

/** The columns that have something to say about `experts`. */
function columnsOf(experts) {
  const all = [
    { title: "Name", of: nameOf },
    { title: "Layers", of: ({ layers }) => layersOf(layers ?? []) },
    { title: "Width", of: ({ d_ff }) => d_ff ?? "" },
    { title: "Parent", of: ({ parent }) => parent ?? "" },
    { title: "Covers", of: ({ routes, rule }) => rule ?? (routes ?? []).join(", ") },
    { title: "Trained on", of: ({ trained_on }) => corporaOf(trained_on) },
    { title: "Created", of: ({ created }) => dateOf(created) },
    { title: "Scores", of: ({ metrics }) => metricsOf(metrics ?? {}) },
  ];
  return all.filter(({ of }) => experts.some((expert) => of(expert) !== ""));
}

function cell({ title, of }, expert) {
  const tag = title === "Name" ? "th" : "td";
  const node = element(tag, { dataset: { title } }, of(expert));
  if (tag === "th") node.scope = "row";
  return node;
}

function nameOf({ name, kind }) {
  const swatch = element("span", { className: "swatch", hue: hueOf(name), dataset: { kind }, "aria-hidden": "true" });
  return element("span", { className: "name" }, swatch, element("code", { textContent: name }));
}

/** `encoder.1, encoder.3, decoder.0` as `encoder 1, 3; decoder 0`. */
function layersOf(layers) {
  const stacks = new Map();
  for (const layer of layers) {
    const [stack, index = ""] = layer.split(/\.(?=[^.]*$)/);
    stacks.set(stack, [...(stacks.get(stack) ?? []), index]);
  }
  return [...stacks].map(([stack, indices]) => `${stack} ${indices.join(", ")}`.trim()).join("; ");
}

function corporaOf(corpora) {
  if (!Array.isArray(corpora)) return corpora ?? "";
  return corpora.map(({ name, licence }) => (licence ? `${name} (${licence})` : name)).join(", ");
}

function dateOf(created) {
  const date = new Date(created || NaN);
  return Number.isNaN(date.getTime()) ? (created ?? "") : date.toLocaleDateString([], { dateStyle: "medium" });
}

function metricsOf(metrics) {
  return Object.entries(metrics)
    .map(([name, value]) => `${name} ${Number.isInteger(value) && value > 100 ? value : Number(value).toFixed(1)}`)
    .join(", ");
}

start();
