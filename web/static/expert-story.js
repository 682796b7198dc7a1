/** What the register says of an expert, put in order: its scores as a table, and the facts of its training. */

import { language, number, t } from "./i18n.js";

/**
 * Splits the metrics of `expert` into scores and facts. A score is `{ measure, pair, set, value, before }`: the
 * register notes `chrF++ en-de it` and, where there is something to compare with, `chrF++ en-de it before`.
 */
export function storyOf(expert) {
  const metrics = expert.metrics ?? {};
  const isFact = (name) => name in FACTS;
  const names = Object.keys(metrics).filter((name) => !isFact(name) && !name.endsWith(" before"));
  const scores = names.map((name) => ({ ...partsOf(name), value: metrics[name], before: metrics[`${name} before`] ?? null }));
  const facts = Object.keys(FACTS)
    .filter((name) => name in metrics)
    .map((name) => FACTS[name](metrics[name], metrics));
  return { scores, training: facts.filter(Boolean) };
}

/** Whether an expert came to a finished model, and so has a story of its own. */
export const wasAdded = ({ kind, parent, rule, metrics }) =>
  kind === "domain" || kind === "catalogue" || Boolean(parent ?? rule) || metrics?.seconds !== undefined;

/** What a value of the register's metrics says when it is no score. */
const FACTS = {
  seconds: (value) => (value < 90 ? count("{count} seconds", value) : count("{count} minutes", Math.round(value / 60))),
  steps: (value, { "best step": best = value }) =>
    best === value ? count("{count} steps", value) : t("{count} steps, the best after {best}", { count: number(value), best: number(best) }),
  step: (value) => count("{count} steps", value),
  "best step": () => null, // told with the steps
  "target tokens": (value) => t("{count} target tokens", { count: number(value, { notation: "compact", maximumFractionDigits: 1 }) }),
  users: (value) => count("{count} users", value),
  events: (value) => count("{count} events", value),
  "detector recall": (value, { "detector false alarms": alarms }) =>
    t("its detector finds {recall} % of its texts, with {alarms} % false alarms", { recall: Math.round(100 * value), alarms: Math.round(100 * (alarms ?? 0)) }),
  "detector false alarms": () => null,
};

const count = (text, value) => t(text, { count: number(value) });

/** `chrF++ en-de flores` is a measure, a pair of languages and a test set; other names are a measure alone. */
function partsOf(name) {
  const [, measure, pair, set] = /^(\S+) (\w{2,3}(?:-\w{4})?-\w{2,3}(?:-\w{4})?)(?: (.*))?$/.exec(name) ?? [null, name, null, null];
  return { measure, pair, set: set ?? "" };
}

/** `encoder.1, encoder.3, decoder.0` as `encoder 1, 3; decoder 0`. */
export function layersOf(layers) {
  const stacks = new Map();
  for (const layer of layers) {
    const [stack, index = ""] = layer.split(/\.(?=[^.]*$)/);
    stacks.set(stack, [...(stacks.get(stack) ?? []), index]);
  }
  return [...stacks].map(([stack, indices]) => `${stack} ${indices.join(", ")}`.trim()).join("; ");
}

/** The corpora of an expert by their names, each with its licence where one is known. */
export function corporaOf(corpora) {
  if (!Array.isArray(corpora)) return corpora ?? "";
  const licences = new Set(corpora.map(({ licence }) => licence ?? ""));
  const names = corpora.map(({ name }) => name).join(", ");
  if (licences.size === 1) return [...licences][0] ? `${names} (${[...licences][0]})` : names;
  return corpora.map(({ name, licence }) => (licence ? `${name} (${licence})` : name)).join(", ");
}

/** The day on which an expert was written. */
export function dateOf(created) {
  const date = new Date(created || NaN);
  return Number.isNaN(date.getTime()) ? (created ?? "") : date.toLocaleDateString(language, { dateStyle: "medium" });
}

/** A language pair, or the name of a route that is none. */
export const routeOf = (name) => name.replace(/^(\w+)-(\w+)$/, "$1 → $2");
