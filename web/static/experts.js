/** The experts page: a table of the experts that the model was made with, and a card for each that came later. */

import * as api from "./api.js";
import { byId, element } from "./dom.js";
import { corporaOf, dateOf, layersOf, storyOf, wasAdded } from "./expert-story.js";
import { expertCard, expertName } from "./expert-card.js";
import { fixed, t } from "./i18n.js";
import { showNotice } from "./notice.js";

/** Kinds in the order in which they are shown, with what they are for. */
const KINDS = {
  pair: "One language pair each, in one direction.",
  domain: "One subject each, beside the others where a request asks for it.",
  retrieval: "One subject each, whose texts are looked up at every token where a request asks for it.",
  segment: "One group of users each, of the model that recommends.",
  catalogue: "One catalogue each, with all that the model knows of its items.",
  free: "Shared by all routes. The gate learned in training what each is good at.",
};

async function start() {
  try {
    const [experts, loads] = await Promise.all([api.experts(), api.expertLoads()]);
    render(Array.isArray(experts) ? experts : [], loads);
  } catch (error) {
    showNotice(error.message, { retry: start });
  }
}

function render(experts, loads) {
  const known = Object.keys(KINDS);
  const kinds = [...known, ...new Set(experts.map(({ kind }) => kind).filter((kind) => !known.includes(kind)))];
  const sections = kinds
    .map((kind) => [kind, experts.filter((expert) => expert.kind === kind)])
    .filter(([, members]) => members.length > 0)
    .map(([kind, members]) => section(kind, members, loads));
  byId("register").replaceChildren(...(sections.length > 0 ? sections : [empty()]));
  document.body.dataset.ready = "yes";
}

function empty() {
  const text = t("This model has no experts of its own: it is dense, one network for everything.");
  return element("p", { className: "empty", textContent: text });
}

/** Kinds that the page does not know are named as they are. */
const kindTitle = (kind) => (KINDS[kind] ? t(`${kind[0].toUpperCase()}${kind.slice(1)} experts`) : kind);

function section(kind, experts, loads) {
  const number = element("span", { className: "number", textContent: ` ${experts.length}` });
  const title = element("h2", { id: `kind-${kind}` }, kindTitle(kind), number);
  const about = element("p", { className: "hint", textContent: KINDS[kind] ? t(KINDS[kind]) : "" });
  const node = element("section", { className: "card", "aria-labelledby": `kind-${kind}` }, title, about);
  const [added, original] = [experts.filter(wasAdded), experts.filter((expert) => !wasAdded(expert))];
  if (original.length > 0) node.append(registerTable(original, kindTitle(kind)));
  node.append(...added.map((expert) => expertCard(expert, loads.get(expert.name))));
  return node;
}

/** The table of `experts`; what does not fit the screen is scrolled within it. */
function registerTable(experts, name) {
  const columns = columnsOf(experts);
  const heads = columns.map(({ title, isNumber }) =>
    element("th", { scope: "col", className: isNumber ? "figure" : "", textContent: title }),
  );
  const rows = experts.map((expert) => element("tr", {}, ...columns.map((column) => cell(column, expert))));
  const table = element(
    "table",
    { className: "register" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
  return element("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": name }, table);
}

/** The columns that have something to say about `experts`, each score in one of its own. */
function columnsOf(experts) {
  const facts = [
    { title: t("Name"), of: expertName },
    { title: t("Layers"), of: ({ layers }) => layersOf(layers ?? []) },
    { title: t("Width"), isNumber: true, of: ({ d_ff }) => d_ff ?? "" },
    { title: t("Trained on"), isText: true, of: ({ trained_on }) => corporaOf(trained_on) },
    { title: t("Created"), of: ({ created }) => dateOf(created) },
    { title: t("Training"), of: (expert) => storyOf(expert).training.join(", ") },
  ];
  const titleOf = ({ measure, set }) => `${measure} ${set}`.trim();
  const titles = [...new Set(experts.flatMap((expert) => storyOf(expert).scores.map(titleOf)))];
  const scores = titles.map((title) => ({
    title,
    isNumber: true,
    of: (expert) => {
      const score = storyOf(expert).scores.find((score) => titleOf(score) === title);
      return score ? fixed(score.value, 1) : "";
    },
  }));
  return [...facts, ...scores].filter(({ of }) => experts.some((expert) => of(expert) !== ""));
}

function cell({ title, of, isNumber, isText }, expert) {
  const tag = of === expertName ? "th" : "td";
  const className = isNumber ? "figure" : isText ? "prose" : "";
  const node = element(tag, { className, dataset: { title } }, of(expert));
  if (tag === "th") node.scope = "row";
  return node;
}

start();
