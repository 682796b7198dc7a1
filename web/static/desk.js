/** One user on the page that recommends: who they are, what they did, their list, and how it is made. */

import { language, localise, t } from "./i18n.js";
import * as api from "./recommend-api.js";
import { announce, byId, element } from "./dom.js";
import { showGate } from "./gate.js";
import { hideNotice } from "./notice.js";
import { showOffers } from "./offers.js";
import { connectPicker } from "./picker.js";

const PAGE = 10; // items of a list, and how many more at a time
const EVENTS = 12; // events shown of a history
const REFERENCES = ["for", "aria-controls"]; // attributes that hold an identifier

/** Titles of items by identifier, for all desks. */
const titles = new Map();

/** A copy of the page's template, whose identifiers end in `suffix`. */
export class Desk {
  #suffix;
  #page;
  #node;
  #n = PAGE;
  #asked = 0;

  /** `page` has `options()` for the lists, `attempt(work)`, which reports errors, and `opened()`. */
  constructor(parent, suffix, page) {
    this.#suffix = suffix;
    this.#page = page;
    /** Identifier of the user that is shown. */
    this.id = "";
    /** Kinds of feedback that can be sent. */
    this.types = [];
    const copy = byId("desk-template").content.cloneNode(true);
    localise(copy);
    for (const node of copy.querySelectorAll("*")) {
      if (node.id) node.id += suffix;
      for (const name of REFERENCES) {
        if (node.hasAttribute(name)) node.setAttribute(name, node.getAttribute(name) + suffix);
      }
    }
    this.#node = copy.firstElementChild;
    this.#node.querySelector("[role=search]").setAttribute("aria-label", suffix ? t("Second user") : t("First user"));
    parent.append(copy);
    this.#connect();
  }

  remove() {
    this.#asked += 1; // an answer on its way has nowhere to go
    this.#node.remove();
  }

  /** Shows the user `id`. */
  async open(id) {
    this.id = id;
    this.#n = PAGE;
    this.#part("list").replaceChildren();
    this.#part("desk-body").hidden = !id;
    this.#page.opened();
    if (!id) return;
    const user = await api.user(id);
    const name = user?.Comment || id;
    this.#part("person").value = name;
    this.#node.setAttribute("aria-label", t("{name} and their recommendations", { name }));
    this.#part("user-about").textContent = user ? [id, user.Comment].filter(Boolean).join(", ") : t("{id}, not known yet", { id });
    await this.refresh();
  }

  /** Opens one of the first hundreds of users, other than `except` where possible. */
  async openRandom(except = this.id) {
    const users = (await api.users("", 500)).map(({ UserId }) => UserId);
    const others = users.filter((id) => id !== except);
    const from = others.length > 0 ? others : users;
    await this.open(from[Math.floor(Math.random() * from.length)] ?? "");
  }

  /** Asks for the history and the list, and shows both. */
  async refresh() {
    if (!this.id) return;
    const number = ++this.#asked;
    const asNew = this.#part("as-new").checked;
    const options = { ...this.#page.options(), n: this.#n };
    const started = performance.now();
    const list = asNew ? api.recommendAsNew(options) : api.recommend(this.id, options);
    const [reply, events] = await Promise.all([list, api.feedback(this.id)]);
    const milliseconds = performance.now() - started;
    const newest = await named(events);
    if (number !== this.#asked) return; // another answer is on its way

    hideNotice();
    this.#part("timing").textContent = t("made in {time} ms", { time: Math.round(milliseconds) });
    const tell = (type, item) => this.#change(() => api.tell(type, this.id, item));
    showOffers(this.#part("list"), reply.Items, { types: this.types, tell });
    this.#part("list-empty").hidden = reply.Items.length > 0;
    this.#part("more").hidden = reply.Items.length < this.#n;
    showGate(this.#part("gate"), this.#part("gate-about"), reply, { asNew, events: asNew ? 0 : events.length });
    this.#showHistory(newest, events.length);
    announce(t("{count} recommendations", { count: reply.Items.length }));
  }

  #part(id) {
    return byId(id + this.#suffix);
  }

  #connect() {
    const { attempt } = this.#page;
    connectPicker(this.#part("person"), this.#part("people"), {
      search: api.users,
      pick: ({ UserId }) => attempt(() => this.open(UserId)),
      failed: (error) => attempt(() => Promise.reject(error)),
    });
    this.#part("more").addEventListener("click", () => {
      this.#n += PAGE;
      attempt(() => this.refresh());
    });
    this.#part("new-user").addEventListener("click", () => attempt(() => this.open(`guest-${Date.now().toString(36)}`)));
    this.#part("random-user").addEventListener("click", () => attempt(() => this.openRandom()));
    this.#part("as-new").addEventListener("change", () => attempt(() => this.refresh()));
  }

  #change(work) {
    return this.#page.attempt(async () => {
      await work();
      await this.refresh();
    });
  }

  #showHistory(events, count) {
    const row = (event) => {
      const title = titles.get(event.ItemId);
      const times = event.Value > 1 ? ` ×${event.Value}` : "";
      const about = element("span", { className: "hint", textContent: `${event.FeedbackType}${times}, ${ago(event.Updated)}` });
      const button = element("button", { type: "button", className: "quiet", textContent: t("Take back") });
      button.setAttribute("aria-label", t("Take back: {what}", { what: `${event.FeedbackType} ${title}` }));
      button.addEventListener("click", () => this.#change(() => api.takeBack(event.FeedbackType, this.id, event.ItemId)));
      return element("li", { dataset: { item: event.ItemId } }, element("span", { textContent: title }), about, button);
    };
    const rows = events.map(row);
    if (count > events.length) {
      rows.push(element("li", { className: "hint", textContent: t("and {count} before that", { count: count - events.length }) }));
    }
    this.#part("history").replaceChildren(...rows);
    this.#part("history-empty").hidden = rows.length > 0;
  }
}

/** The newest events, once the titles of their items are known. */
async function named(events) {
  const newest = events.toSorted((a, b) => b.Updated.localeCompare(a.Updated)).slice(0, EVENTS);
  const unknown = [...new Set(newest.map(({ ItemId }) => ItemId))].filter((id) => !titles.has(id));
  await Promise.all(
    unknown.map(async (id) => {
      const found = await api.item(id);
      const title = found?.Labels?.title ?? found?.Labels?.name ?? found?.Comment;
      titles.set(id, title || id);
    }),
  );
  return newest;
}

/** How long ago a time is, in words. */
function ago(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (!(seconds < 200 * 365 * 86400)) return t("at an unknown time"); // the zero time, or none
  const units = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return format.format(-Math.floor(Math.max(0, seconds) / size), unit);
}
