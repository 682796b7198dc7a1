/** The admin API of suggestions. The key stays in this tab. */

import { t } from "./i18n.js";

const KEY = "dragoman.admin";

/** The admin key that this tab knows, or nothing. */
export const key = () => sessionStorage.getItem(KEY);

/** Remembers the admin key until the tab is closed. */
export const keepKey = (text) => sessionStorage.setItem(KEY, text);

/** Forgets the admin key. */
export const forgetKey = () => sessionStorage.removeItem(KEY);

/** A refusal: `kind` is `key` where another key is wanted, `absent` where the server has no admin API. */
export class AdminError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The suggestions with `status` that came before the one with the id `before`, newest first, and the counts. */
export function list(status, before) {
  const query = new URLSearchParams({ status, limit: "50", ...(before && { before }) });
  return send(`admin/suggestions?${query}`);
}

/** Gives the suggestion `id` another status. */
export const judge = (id, status) =>
  send(`admin/suggestions/${id}`, { method: "PUT", body: JSON.stringify({ status }) });

/** Deletes the suggestion `id`. */
export const remove = (id) => send(`admin/suggestions/${id}`, { method: "DELETE" });

async function send(path, options = {}) {
  const headers = { Accept: "application/json", Authorization: `Bearer ${key()}` };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch {
    throw new AdminError("offline", t("The server cannot be reached. Check the connection, then try again."));
  }
  const body = await reply.json().catch(() => null);
  if (reply.ok && body !== null) return body;
  if (reply.status === 401) throw new AdminError("key", t("That is not the server’s admin key."));
  // A suggestion that was deleted elsewhere is 404 as well.
  if (reply.status === 404 && !options.method) {
    throw new AdminError("absent", t("This server has no admin key. Start it with one, as DRAGOMAN_ADMIN_KEY."));
  }
  const reason = typeof body?.error === "string" ? body.error : `HTTP ${reply.status}`;
  throw new AdminError("failed", t("The server could not do this: {reason}", { reason }));
}
