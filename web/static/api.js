/** The server's API. Addresses are relative to the page, so a URL prefix works. */

import { t } from "./i18n.js";
import { recall } from "./storage.js";

/** A request that brought no answer; the message says what happened and how to go on. */
export class ApiError extends Error {
  /** `kind` is one of offline, busy, limit, key, long, language, refused, failed, strange. */
  constructor(kind, message, { retryAfter = null, reason = "", detected = null } = {}) {
    super(message);
    this.kind = kind;
    /** Seconds after which the server wants to be asked again, where it said so. */
    this.retryAfter = retryAfter;
    /** The server's own words. */
    this.reason = reason;
    /** The code of the language that the text seems to be in, where the server does not translate it. */
    this.detected = detected;
  }
}

/** The languages, each with its `targets` and, where there are some, its `domains`. */
export const languages = async () => checked(await send("languages"), Array.isArray);

/** The limits and defaults of this server. */
export const settings = () => send("frontend/settings");

/** The experts' register. The page of the same address is another representation: never cached as one. */
export const experts = () => send("experts", { cache: "no-store" });

/** Rows that each added expert computed since the start, by name; empty where the server keeps its metrics to itself. */
export async function expertLoads() {
  const reply = await fetch("metrics").catch(() => null);
  const lines = reply?.ok ? (await reply.text()).matchAll(/^dragoman_added_expert_rows\{expert="([^"]+)"\} (\S+)$/gm) : [];
  return new Map([...lines].map(([, name, rows]) => [name, Number(rows)]));
}

/** The description of the API. */
export const spec = () => send("spec");

/** Translates; `request` has the fields of `POST /translate`, and `q` may be several texts. */
export async function translate(request, signal) {
  const isAnswer = ({ translatedText }) =>
    Array.isArray(request.q) ? Array.isArray(translatedText) : typeof translatedText === "string";
  return checked(await post("translate", request, signal), isAnswer);
}

/** Stores a better translation `s` of `q`. */
export const suggest = (request) => post("suggest", request);

/** Sends a document to be translated in the background; `fields` are those of the menus. */
export function sendDocument(file, fields) {
  const body = new FormData();
  body.append("file", file);
  const key = recall("key");
  for (const [name, value] of Object.entries(key ? { ...fields, api_key: key } : fields)) body.append(name, value);
  return send("documents", { method: "POST", body });
}

/** The glossaries of the caller; none where the server does not say. */
export async function glossaries() {
  const key = recall("key");
  const headers = key ? { Authorization: `DeepL-Auth-Key ${key}` } : {};
  const reply = await fetch("v3/glossaries", { headers }).catch(() => null);
  const body = reply?.ok ? await reply.json().catch(() => null) : null;
  return Array.isArray(body?.glossaries) ? body.glossaries : [];
}

/** How far a document is. */
export const documentJob = (id) => send(`documents/${id}`, { cache: "no-store" });

/** Stops to translate a document, and has the server forget it. */
export const removeDocument = (id) => fetch(`documents/${id}`, { method: "DELETE" }).catch(() => null);

function post(path, fields, signal) {
  const key = recall("key");
  const body = JSON.stringify(key ? { ...fields, api_key: key } : fields);
  return send(path, { method: "POST", body, signal, headers: { "Content-Type": "application/json" } });
}

async function send(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(
      "offline",
      t("The server cannot be reached. Your text is kept: check the connection, then try again."),
    );
  }
  const body = await json(reply);
  if (!reply.ok) throw explain(reply, body);
  return checked(body, (value) => value !== null);
}

/** `body`, if it is what was asked for. */
function checked(body, isValid) {
  if (isValid(body)) return body;
  throw new ApiError(
    "strange",
    t("The answer is not one this page understands. Is there a proxy in between? Try again, or reload the page."),
  );
}

async function json(reply) {
  try {
    return await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}

/** Puts a refusal into words. */
function explain(reply, body) {
  const reason = typeof body?.error === "string" ? body.error : "";
  const quote = reason ? ` (${reason})` : "";
  const retryAfter = seconds(reply.headers.get("Retry-After"));
  const detected = body?.detectedLanguage?.language ?? null;
  const error = (kind, message) => new ApiError(kind, message, { retryAfter, reason, detected });
  if (reply.status === 503) return error("busy", t("The server is busy right now. Your text is kept."));
  if (reply.status === 429) {
    return error("limit", t("You asked more often than this server allows{quote}. Wait a moment, then try again.", { quote }));
  }
  if (reply.status === 403 || /API key/i.test(reason)) {
    return error("key", t("The server refused{quote}. If it wants a key, enter yours under “API key” above.", { quote }));
  }
  if (reply.status === 413 || /exceeds text limit/.test(reason)) {
    return error("long", t("The text is longer than this server takes{quote}. Shorten it, or translate it in parts.", { quote }));
  }
  if (reply.status < 500) {
    return error(detected ? "language" : "refused", t("The server could not take this request{quote}. Change the text or the languages.", { quote }));
  }
  return error("failed", t("The translation failed on the server. Try again; if it fails again, its log says why."));
}

/** Seconds of a Retry-After header, which holds a number or a date. */
function seconds(header) {
  if (!header) return null;
  const value = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(value) ? Math.max(1, Math.ceil(value)) : null;
}
