/** The page that recommends: somebody, their history, the list and why; each event changes the next list. */

import * as api from "./recommend-api.js";
import { announce, byId, element, openDialog } from "./dom.js";
import { showGate } from "./gate.js";
import { hideNotice, showNotice } from "./notice.js";
import { showOffers } from "./offers.js";
import { connectPicker } from "./picker.js";
import { recall, remember } from "./storage.js";

const PAGE = 10; // items of a list, and so many more at a time
const EVENTS = 12; // events shown of a history

const state = { id: "", n: PAGE, types: [], titles: new Map(), asked: 0 };

async function start() {
  hideNotice();
  connect();
  await attempt(async () => {
    const [categories, types] = await Promise.all([api.categories(), api.feedbackTypes()]);
    const menu = byId("category");
    menu.append(...categories.map(({ Name }) => element("option", { value: Name, textContent: Name })));
    state.types = types.length > 0 ? types : ["read"];
    await open(fromAddress() || (await api.users("", 1))[0]?.UserId || "");
  });
  document.body.dataset.ready = "yes";
}

let isConnected = false;

function connect() {
  if (isConnected) return;
  isConnected = true;
  connectPicker(byId("person"), byId("people"), {
    search: api.users,
    pick: ({ UserId }) => attempt(() => open(UserId)),
    failed: report,
  });
  byId("asking").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["recommender", "category", "diversity", "explore"]) {
    byId(id).addEventListener("change", () => attempt(refresh));
  }
  byId("more").addEventListener("click", () => {
    state.n += PAGE;
    attempt(refresh);
  });
  byId("newcomer").addEventListener("click", () => attempt(() => open(`guest-${Date.now().toString(36)}`)));
  byId("anybody").addEventListener("click", () => attempt(anybody));
  addEventListener("hashchange", () => {
    if (fromAddress() !== state.id) attempt(() => open(fromAddress()));
  });
  byId("key-open").addEventListener("click", () => {
    byId("key-text").value = recall(api.keyName, "");
    openDialog(byId("key"));
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    remember(api.keyName, byId("key-text").value.trim());
    byId("key").close();
    start();
  });
}

const fromAddress = () => decodeURIComponent(location.hash.slice(1));

/** Opens one of the first hundreds of users. */
async function anybody() {
  const users = await api.users("", 500);
  if (users.length > 0) await open(users[Math.floor(Math.random() * users.length)].UserId);
}

/** Shows the user `id`. */
async function open(id) {
  state.id = id;
  state.n = PAGE;
  byId("list").replaceChildren();
  byId("desk").hidden = !id;
  byId("nothing").hidden = Boolean(id);
  byId("demo-command").textContent = `dragoman demo recommend --url ${new URL(".", location.href).href}`;
  if (!id) return;
  if (fromAddress() !== id) history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  const user = await api.user(id);
  byId("person").value = user?.Comment || id;
  byId("user-about").textContent = user ? `${id}${user.Comment ? `, ${user.Comment}` : ""}` : `${id}: nobody knows them yet`;
  await refresh();
}

/** Asks for the history and the list, and shows both. */
async function refresh() {
  const number = ++state.asked;
  const options = {
    n: state.n,
    recommender: byId("recommender").value,
    category: byId("category").value,
    diversity: Number(byId("diversity").value) || "",
    explore: Number(byId("explore").value) || "",
  };
  const started = performance.now();
  const [list, events] = await Promise.all([api.recommend(state.id, options), api.feedback(state.id)]);
  const milliseconds = performance.now() - started;
  const shown = await named(events);
  if (number !== state.asked) return; // another answer is on its way

  hideNotice();
  byId("timing").textContent = `made in ${Math.round(milliseconds)} ms`;
  showOffers(byId("list"), list.Items, { types: state.types, tell });
  byId("list-empty").hidden = list.Items.length > 0;
  byId("more").hidden = list.Items.length < state.n;
  showGate(byId("gate"), byId("gate-about"), list);
  showHistory(shown, events.length);
  announce(`${list.Items.length} recommendations`);
}

/** The newest events, with the titles of their items. */
async function named(events) {
  const newest = events.toSorted((a, b) => b.Updated.localeCompare(a.Updated)).slice(0, EVENTS);
  const unknown = [...new Set(newest.map(({ ItemId }) => ItemId))].filter((id) => !state.titles.has(id));
  await Promise.all(
    unknown.map(async (id) => {
      const found = await api.item(id);
      const title = found?.Labels?.title ?? found?.Labels?.name ?? found?.Comment;
      state.titles.set(id, title || id);
    }),
  );
  return newest;
}

function showHistory(events, count) {
  const row = (event) => {
    const title = state.titles.get(event.ItemId);
    const times = event.Value > 1 ? ` ×${event.Value}` : "";
    const about = element("span", { className: "hint", textContent: `${event.FeedbackType}${times}, ${ago(event.Updated)}` });
    const button = element("button", { type: "button", className: "quiet", textContent: "Take back" });
    button.setAttribute("aria-label", `Take back: ${event.FeedbackType} ${title}`);
    button.addEventListener("click", () => takeBack(event));
    return element("li", { dataset: { item: event.ItemId } }, element("span", { textContent: title }), about, button);
  };
  const rows = events.map(row);
  if (count > events.length) {
    rows.push(element("li", { className: "hint", textContent: `and ${count - events.length} before that` }));
  }
  byId("history").replaceChildren(...rows);
  byId("history-empty").hidden = rows.length > 0;
}

const tell = (type, item) =>
  attempt(async () => {
    await api.tell(type, state.id, item);
    await refresh();
  });

const takeBack = ({ FeedbackType, ItemId }) =>
  attempt(async () => {
    await api.takeBack(FeedbackType, state.id, ItemId);
    await refresh();
  });

/** How long ago a time is, in words. */
function ago(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (!(seconds < 200 * 365 * 86400)) return "some time"; // the zero time, or none
  const units = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  return format.format(-Math.floor(Math.max(0, seconds) / size), unit);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    report(error);
  }
}

function report(error) {
  showNotice(error.message, { retry: error.status === 401 ? null : () => (state.id ? attempt(refresh) : start()) });
}

start();
