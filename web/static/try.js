/** A form that makes one call, and shows the answer and the line to make it from a terminal. */

import { copyText } from "./copy.js";
import { element } from "./dom.js";

/** The form for `call`: `{ method, path, body, parameters, needsToken }`. */
export function tryForm(call) {
  const id = `${call.method}${call.path}`.replaceAll(/[^a-z]+/g, "-");
  const form = element("form", { className: "try" });
  const inputs = [];
  const add = (name, label, input) => {
    input.id = `${id}-${name}`;
    input.name = name;
    inputs.push(input);
    form.append(element("label", { htmlFor: input.id }, ...label), input);
  };
  if (call.needsToken) add("token", ["token"], element("input", { className: "field", type: "password", autocomplete: "off" }));
  for (const field of [...call.parameters, ...(call.body?.fields ?? [])]) {
    add(field.name, [field.name, field.required ? " *" : ""], inputFor(field));
  }
  if (call.body && !call.body.fields) {
    const value = call.body.example ? JSON.stringify(call.body.example) : "";
    add("body", [call.body.type], element("textarea", { className: "field", rows: 4, spellcheck: false, value }));
  }

  const curl = element("pre", { className: "curl", tabIndex: 0, role: "group", "aria-label": "curl line" });
  const answer = element("pre", { className: "answer", tabIndex: 0, hidden: true, role: "group", "aria-label": "Answer" });
  const verdict = element("p", { className: "verdict", role: "status" });
  const copy = element("button", { type: "button", className: "quiet", textContent: "Copy curl" });
  const send = element("button", { type: "submit", className: "primary", textContent: "Send" });
  form.append(element("div", { className: "try-foot" }, verdict, copy, send), curl, answer);

  const update = () => {
    try {
      curl.textContent = curlLine(request(call, inputs));
      for (const input of inputs) input.setCustomValidity("");
    } catch (error) {
      curl.textContent = error.message;
      error.input?.setCustomValidity(error.message);
    }
  };
  form.addEventListener("input", update);
  copy.addEventListener("click", () => copyText(curl.textContent, copy));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    verdict.textContent = "…";
    const { status, text } = await perform(request(call, inputs));
    verdict.textContent = status;
    answer.textContent = text;
    answer.hidden = text === "";
  });
  update();
  return form;
}

function inputFor(field) {
  if (field.choices) {
    const options = field.choices.map((choice) => element("option", { textContent: JSON.stringify(choice) }));
    const unset = element("option", { value: "", textContent: field.standard === null ? "not sent" : `not sent (${field.standard})` });
    return element("select", { dataset: { kind: "json" } }, unset, ...options);
  }
  const value = field.example === null ? "" : typeof field.example === "string" ? field.example : JSON.stringify(field.example);
  const hint = field.standard === null ? "" : `${field.standard}`;
  const kind = field.isText ? "text" : "json";
  return element("input", { className: "field", value, placeholder: hint, spellcheck: false, required: field.required, dataset: { kind }, autocomplete: "off" });
}

/** What the inputs say, as the parts of a request. */
function request(call, inputs) {
  const places = new Map(call.parameters.map(({ name, place }) => [name, place]));
  let path = call.path.slice(1);
  for (const input of inputs) {
    if (places.get(input.name) === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
  }
  const address = new URL(path, document.baseURI);
  const headers = {};
  const fields = {};
  let raw = null;
  for (const input of inputs) {
    if (input.value === "") continue;
    if (input.name === "token" && call.needsToken) headers.Authorization = `Bearer ${input.value}`;
    else if (input.name === "body" && !call.body?.fields) raw = input.value;
    else if (places.get(input.name) === "header") headers[input.name] = input.value;
    else if (places.get(input.name) === "query") address.searchParams.set(input.name, valueOfQuery(input));
    else if (places.has(input.name)) continue; // in the path already
    else fields[input.name] = valueOf(input);
  }
  const body = call.body ? (raw ?? (call.body.fields ? JSON.stringify(fields) : "")) : null;
  if (call.body) headers["Content-Type"] = call.body.type;
  return { method: call.method.toUpperCase(), address: address.href, headers, body };
}

/** A menu's choice is JSON, and a query holds plain words. */
const valueOfQuery = ({ value }) => value.replace(/^"(.*)"$/, "$1");

/** A field's value; a text that is a JSON array stands for many texts. */
function valueOf(input) {
  const isMany = /^\s*\[[^]*\]\s*$/.test(input.value);
  if (input.dataset.kind === "text" && !isMany) return input.value;
  try {
    return JSON.parse(input.value);
  } catch {
    if (input.dataset.kind === "text") return input.value;
    throw Object.assign(new Error(`${input.name} must be JSON, such as 3 or ["a", "b"]`), { input });
  }
}

async function perform({ method, address, headers, body }) {
  const started = performance.now();
  try {
    const reply = await fetch(address, { method, headers: { Accept: "application/json", ...headers }, body });
    const text = await reply.text();
    const time = Math.round(performance.now() - started);
    return { status: `${reply.status} ${reply.statusText} in ${time} ms`, text: pretty(text) };
  } catch {
    return { status: "The server cannot be reached. Check that it runs, then send again.", text: "" };
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function curlLine({ method, address, headers, body }) {
  const parts = ["curl", quote(address)];
  if (method !== "GET" && !(method === "POST" && body !== null)) parts.push("-X", method);
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quote(`${name}: ${value}`));
  if (body !== null) parts.push("--data-binary", quote(body));
  return parts.join(" ");
}

/** Quoted for a POSIX shell. */
const quote = (text) => (/^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
