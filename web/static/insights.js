/** The page of figures: what users did by day, and how well the lists of each group are liked. */

import { language, number, t } from "./i18n.js";
import * as api from "./recommend-api.js";
import { chart } from "./chart.js";
import { byId, element } from "./dom.js";
import { hideNotice, showNotice } from "./notice.js";

const DAY = 86_400_000;

const sum = (points) => points.reduce((all, { Value }) => all + Value, 0);

async function start() {
  hideNotice();
  try {
    const begin = new Date(Date.now() - (Number(byId("period").value) - 1) * DAY).toISOString();
    const names = ["users", "items", "feedback", "positive_feedback"];
    const [users, items, feedback, positive] = await Promise.all(names.map((name) => api.timeseries(name, begin)));
    const rate = feedback.map(({ Timestamp, Value }, place) => ({ Timestamp, Value: Value > 0 ? positive[place].Value / Value : 0 }));
    const share = sum(feedback) > 0 ? sum(positive) / sum(feedback) : 0;
    byId("charts").replaceChildren(
      chart(t("Active users"), users),
      chart(t("New items"), items, { total: t("{count} in all", { count: number(sum(items)) }) }),
      chart(t("Feedback"), feedback, { total: t("{count} in all", { count: number(sum(feedback)) }) }),
      chart(t("Positive feedback"), rate, { isShare: true, total: percent(share) }),
    );
    byId("groups").replaceChildren(table(await api.recommenders()));
    showTraining(await api.tasks());
    document.body.dataset.ready = "yes";
  } catch (error) {
    showNotice(error.message, { retry: error.status === 401 ? null : start });
  }
}

const percent = (share) => number(share, { style: "percent", maximumFractionDigits: 1 });

/** Says how the running training gets on, or how the last one ended. */
function showTraining([task]) {
  const node = byId("training");
  node.hidden = !task;
  if (!task) return;
  const time = (text) => new Date(text).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  const steps = { step: number(task.Count), steps: task.Total > 0 ? number(task.Total) : "…" };
  const words = {
    Running: () => t("The model has been training since {time}: step {step} of {steps}.", { time: time(task.StartTime), ...steps }),
    Complete: () => t("The model was trained again at {time}.", { time: time(task.FinishTime) }),
    Failed: () => t("The training at {time} gave no better model: {reason}", { time: time(task.FinishTime), reason: task.Error }),
  };
  node.textContent = words[task.Status]?.() ?? "";
}

function table(groups) {
  if (groups.length === 0) return element("p", { className: "empty", textContent: t("No list was asked for yet.") });
  const columns = [
    { title: t("Group"), of: ({ Group }) => Group },
    { title: t("Lists"), of: ({ Lists }) => number(Lists) },
    { title: t("Items shown"), of: ({ Items }) => number(Items) },
    { title: t("Liked"), of: ({ Liked }) => number(Liked) },
    { title: t("Rate"), of: ({ Rate }) => percent(Rate) },
    { title: t("95 % interval"), of: ({ Low, High }) => t("{low} to {high}", { low: percent(Low), high: percent(High) }) },
  ];
  const figure = (place) => (place > 0 ? "figure" : "");
  const heads = columns.map(({ title }, place) => element("th", { scope: "col", className: figure(place), textContent: title }));
  const cell = (group) => ({ title, of }, place) => {
    const node = element(place > 0 ? "td" : "th", { className: figure(place), dataset: { title }, textContent: of(group) });
    if (place === 0) node.scope = "row";
    return node;
  };
  const rows = groups.map((group) => element("tr", {}, ...columns.map(cell(group))));
  const node = element(
    "table",
    { className: "register" },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
  return element("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": t("Recommenders") }, node);
}

byId("period-form").addEventListener("submit", (event) => event.preventDefault());
byId("period").addEventListener("change", start);
start();
