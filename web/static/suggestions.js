/** The page of suggestions: the keeper of the server looks through them, approves, rejects and deletes. */

import * as api from "./suggestions-api.js";
import { announce, byId, element } from "./dom.js";
import { language, t } from "./i18n.js";
import { hideNotice, showNotice } from "./notice.js";

/** The statuses, with their names and with what a suggestion of another status is given them by. */
const STATUSES = {
  pending: { name: "Pending", verb: "Leave open" },
  approved: { name: "Approved", verb: "Approve" },
  rejected: { name: "Rejected", verb: "Reject" },
};

let status = "pending";
let counts = { pending: 0, approved: 0, rejected: 0 };

/** Shows the newest suggestions with the chosen status. */
async function show() {
  hideNotice();
  try {
    const reply = await api.list(status);
    counts = reply.counts;
    byId("key-form").hidden = true;
    byId("review").hidden = false;
    byId("suggestions").replaceChildren();
    renderFilter();
    append(reply.suggestions);
    document.body.dataset.ready = "yes";
  } catch (error) {
    refuse(error, show);
  }
}

/** Puts what went wrong into words, and asks for another key where that is what is wanted. */
function refuse(error, retry) {
  if (error.kind === "key") {
    api.forgetKey();
    askForKey();
  }
  showNotice(error.message, error.kind === "offline" || error.kind === "failed" ? { retry } : {});
}

function askForKey() {
  byId("review").hidden = true;
  byId("key-form").hidden = false;
  byId("key").focus();
  document.body.dataset.ready = "yes";
}

function renderFilter() {
  const buttons = Object.entries(STATUSES).map(([value, { name }]) => {
    const label = `${t(name)} ${counts[value]}`;
    const pressed = String(value === status);
    const button = element("button", { type: "button", className: "quiet", "aria-pressed": pressed, textContent: label });
    button.addEventListener("click", () => {
      status = value;
      show().then(() => byId("filter").querySelector("[aria-pressed=true]")?.focus());
    });
    return button;
  });
  byId("filter").replaceChildren(...buttons);
}

function append(rows) {
  const list = byId("suggestions");
  list.append(...rows.map(card));
  byId("older").hidden = list.children.length >= counts[status] || rows.length === 0;
  byId("older").dataset.before = rows.at(-1)?.id ?? "";
  if (list.children.length === 0) {
    list.append(element("li", { className: "empty", textContent: t("There is nothing here.") }));
  }
}

/** A suggestion: what was translated, how it should be, and what can be done with it. */
function card(row) {
  const facts = [`${row.source} → ${row.target}`, row.domain, dateOf(row.id)].filter(Boolean);
  const node = element(
    "li",
    { className: "card suggestion" },
    element("div", { className: "facts" }, ...facts.map((fact) => element("span", { textContent: fact }))),
    element(
      "div",
      { className: "pair" },
      element("p", { textContent: row.q, ...(row.source !== "auto" && { lang: row.source }) }),
      element("p", { className: "better", textContent: row.s, lang: row.target }),
    ),
  );
  const choice = (text, act) => {
    const button = element("button", { type: "button", className: "quiet", textContent: t(text) });
    button.setAttribute("aria-label", `${t(text)}: ${row.s.slice(0, 80)}`);
    button.addEventListener("click", () => decide(node, act, text));
    return button;
  };
  const others = Object.entries(STATUSES).filter(([value]) => value !== row.status);
  const choices = others.map(([value, { verb }]) =>
    choice(verb, async () => {
      await api.judge(row.id, value);
      counts[value] += 1;
    }),
  );
  choices.push(choice("Delete", () => api.remove(row.id)));
  node.append(element("div", { className: "choices" }, ...choices));
  return node;
}

/** Does what was chosen for the card `node`, and takes the card away. */
async function decide(node, act, text) {
  hideNotice();
  try {
    await act();
  } catch (error) {
    return refuse(error, () => decide(node, act, text));
  }
  counts[status] -= 1;
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  renderFilter();
  announce(t("Done: {what}", { what: t(text) }));
  if (next) next.querySelector("button")?.focus();
  else append([]);
}

/** When the suggestion with this id came, which is in microseconds since 1970. */
const dateOf = (id) => new Date(id / 1000).toLocaleDateString(language, { dateStyle: "medium" });

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.keepKey(byId("key").value);
  byId("key").value = "";
  show();
});
byId("older").addEventListener("click", async (event) => {
  try {
    append((await api.list(status, event.currentTarget.dataset.before)).suggestions);
  } catch (error) {
    refuse(error, show);
  }
});

if (api.key()) show();
else askForKey();
