/** A discreet mark of how good a translation probably is, where the model estimates it. */

import { byId } from "./dom.js";
import { number, t } from "./i18n.js";

/** Estimated chrF++ from which a sentence counts as good, and as fair. */
const GOOD = 60;
const FAIR = 40;

/** Shows the mark for the estimates of the sentences of a text; hides it without any. */
export function showQuality(estimates) {
  const mark = byId("quality");
  const known = Array.isArray(estimates) ? estimates.filter(Number.isFinite) : [];
  mark.hidden = known.length === 0;
  if (mark.hidden) {
    mark.textContent = "";
    return;
  }
  const lowest = Math.min(...known);
  const level = lowest >= GOOD ? "good" : lowest >= FAIR ? "fair" : "poor";
  mark.dataset.level = level;
  mark.textContent = t({ good: "probably good", fair: "worth a look", poor: "check this" }[level]);
  const mean = known.reduce((sum, estimate) => sum + estimate, 0) / known.length;
  const values = { mean: number(mean, { maximumFractionDigits: 0 }), lowest: number(lowest, { maximumFractionDigits: 0 }) };
  mark.title =
    known.length === 1
      ? t("Estimated quality: {mean} of 100 (chrF++), from how sure the model is and from the lengths. An estimate, not a measurement.", values)
      : t("Estimated quality: {mean} of 100 (chrF++) on average, {lowest} for the weakest sentence, from how sure the model is and from the lengths. An estimate, not a measurement.", values);
}
