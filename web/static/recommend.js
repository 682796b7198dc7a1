/** The page that recommends: one user with their list and what it rests on, or two of them side by side. */

import { t } from "./i18n.js";
import * as api from "./recommend-api.js";
import { announce, byId, element, openDialog } from "./dom.js";
import { Desk } from "./desk.js";
import { hideNotice, showNotice } from "./notice.js";
import { recall, remember } from "./storage.js";

/** The desks that are shown; the first user, or both, are in the address: `#u1` or `#u1,u2`. */
const desks = [];
let isConnected = false;

async function start() {
  hideNotice();
  connect();
  await attempt(async () => {
    const [categories, types] = await Promise.all([api.categories(), api.feedbackTypes()]);
    const options = categories.map((name) => element("option", { value: name, textContent: name }));
    byId("category").replaceChildren(byId("category").options[0], ...options);
    for (const desk of desks) desk.types = types.length > 0 ? types : ["read"];
    await openAll(fromAddress());
  });
  document.body.dataset.ready = "yes";
}

function connect() {
  if (isConnected) return;
  isConnected = true;
  addDesk();
  byId("options").open = !matchMedia("(max-width: 46rem)").matches;
  byId("asking").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["recommender", "category", "diversity", "explore"]) {
    byId(id).addEventListener("change", () => attempt(refreshAll));
  }
  byId("compare").addEventListener("click", () => attempt(() => (desks.length > 1 ? endComparison() : compare())));
  byId("demo-command").textContent = `dragoman demo recommend --url ${new URL(".", location.href).href}`;
  addEventListener("hashchange", () => {
    if (fromAddress().join() !== shown().join()) attempt(() => openAll(fromAddress()));
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment of the address names the user
    byId("person").focus();
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

const shown = () => desks.map(({ id }) => id);
const fromAddress = () => location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent);
const refreshAll = () => Promise.all(desks.map((desk) => desk.refresh()));

/** What the controls of the page ask of every list. */
function options() {
  return {
    recommender: byId("recommender").value,
    category: byId("category").value,
    diversity: Number(byId("diversity").value) || "",
    explore: Number(byId("explore").value) || "",
  };
}

function addDesk() {
  const desk = new Desk(byId("desks"), desks.length === 0 ? "" : "-2", { options, attempt, opened: writeAddress });
  desk.types = desks[0]?.types ?? ["read"];
  desks.push(desk);
  document.body.classList.toggle("comparing", desks.length > 1);
  byId("compare").setAttribute("aria-pressed", String(desks.length > 1));
  byId("compare").textContent = desks.length > 1 ? t("End comparison") : t("Compare two users");
}

/** Shows another user beside the first. */
async function compare() {
  addDesk();
  await desks[1].openRandom(desks[0].id);
  announce(t("Two users side by side"));
}

function endComparison() {
  desks.pop().remove();
  document.body.classList.remove("comparing");
  byId("compare").setAttribute("aria-pressed", "false");
  byId("compare").textContent = t("Compare two users");
  writeAddress();
}

/** Opens the users `ids`, or the first one of the store where there are none. */
async function openAll(ids) {
  const first = ids[0] ?? (await api.users("", 1))[0]?.UserId ?? "";
  byId("nothing").hidden = first !== "";
  if (ids.length > 1 && desks.length === 1) addDesk();
  if (ids.length < 2 && desks.length > 1) endComparison();
  await Promise.all([first, ...ids.slice(1, 2)].map((id, place) => desks[place].open(id)));
}

function writeAddress() {
  byId("nothing").hidden = shown().some((id) => id !== "");
  const fragment = shown().filter(Boolean).map(encodeURIComponent).join(",");
  if (location.hash.slice(1) !== fragment) history.replaceState(null, "", `#${fragment}`);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    const retry = () => (desks.some(({ id }) => id) ? attempt(refreshAll) : start());
    showNotice(error.message, { retry: error.status === 401 ? null : retry });
  }
}

start();
