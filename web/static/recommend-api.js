/** The calls of Gorse that the page makes. `?tenant=NAME` in the page's address names another tenant. */

import { t } from "./i18n.js";
import { recall } from "./storage.js";

const tenant = new URLSearchParams(location.search).get("tenant");
const base = tenant ? `t/${encodeURIComponent(tenant)}/api` : "api";

/** Where this browser keeps the key of the tenant. */
export const keyName = `recommend-key.${tenant ?? "default"}`;

/** A call that was not answered; `status` is 0 when nobody answered at all. */
export class CallError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Users whose identifier or comment has `text` in it; the first ones where it is empty. */
export const users = async (text, n) => (await call("GET", "users", { q: text, n })).Users;

/** A user, or null. */
export const user = (id) => call("GET", `user/${part(id)}`).catch(orNull);

/** An item, or null. */
export const item = (id) => call("GET", `item/${part(id)}`).catch(orNull);

/** Categories with their counts. */
export const categories = () => call("GET", "dashboard/categories");

/** Types of feedback that the store knows. */
export const feedbackTypes = () => call("GET", "dashboard/feedback-types");

/** A figure of the store for each day from `begin` on. */
export const timeseries = (name, begin) => call("GET", `dashboard/timeseries/${part(name)}`, { begin });

/** How well the lists of each group are liked. */
export const recommenders = () => call("GET", "dashboard/recommenders");

/** What goes on behind the server, such as a training: the running tasks, and the last ones that ended. */
export const tasks = () => call("GET", "dashboard/tasks");

/** What a user did, one row for each type and item. */
export const feedback = (id) => call("GET", `user/${part(id)}/feedback`);

/** A list with what it rests on. */
export const recommend = (id, options) => call("GET", `recommend/${part(id)}`, { ...options, explain: true });

/** The list of a user who has done nothing yet. */
export const recommendAsNew = (options) => call("POST", "session/recommend", { ...options, explain: true }, []);

/** Notes that a user did something with an item. */
export const tell = (type, userId, itemId) =>
  call("POST", "feedback", {}, [
    { FeedbackType: type, UserId: userId, ItemId: itemId, Value: 1, Timestamp: new Date().toISOString() },
  ]);

/** Takes back what a user did with an item. */
export const takeBack = (type, userId, itemId) =>
  call("DELETE", `feedback/${part(type)}/${part(userId)}/${part(itemId)}`);

const part = (text) => encodeURIComponent(text);

function orNull(error) {
  if (error.status === 404) return null;
  throw error;
}

async function call(method, path, params = {}, body = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== "" && value !== undefined && value !== null) query.append(name, value);
  }
  const headers = { Accept: "application/json" };
  const key = recall(keyName);
  if (key) headers["X-API-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const address = query.size > 0 ? `${base}/${path}?${query}` : `${base}/${path}`;
  let reply;
  try {
    reply = await fetch(address, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new CallError(0, t("The server cannot be reached. Check the connection, then try again."));
  }
  const text = await reply.text();
  if (!reply.ok) throw new CallError(reply.status, explain(reply.status, text));
  try {
    return JSON.parse(text);
  } catch {
    throw new CallError(reply.status, t("The answer is not one this page understands. Is there a proxy in between?"));
  }
}

/** Puts a refusal into words. */
function explain(status, reason) {
  if (status === 401) return t("The server asks for a key. Enter the one of this tenant under “API key” above.");
  if (status === 429) return t("You asked more often than this server allows ({reason}). Wait a moment, then try again.", { reason });
  if (status === 503) return t("The server is busy right now. Try again in a moment.");
  if (status === 404) return t("The server does not know this ({reason}).", { reason });
  return t("The server could not do this ({reason}).", { reason });
}
