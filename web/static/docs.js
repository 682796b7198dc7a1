/** The API page: every call of the server's own description, with a form to try it. */

import * as api from "./api.js";
import { byId, element, prose } from "./dom.js";
import { showNotice } from "./notice.js";
import { bodyOf, callsOf, parametersOf, resolve } from "./spec.js";
import { tryForm } from "./try.js";

async function start() {
  try {
    render(await api.spec());
  } catch (error) {
    showNotice(error.message, { retry: start });
  }
}

function render(spec) {
  const { title, version, description } = spec.info ?? {};
  const about = [title, version].filter(Boolean).join(" ");
  byId("about").prepend(`${about}. ${description ?? ""} `);

  const calls = callsOf(spec);
  const tags = [...new Set(calls.map(({ tag }) => tag))];
  const ofTag = (tag) => calls.filter((call) => call.tag === tag);
  byId("contents").replaceChildren(
    ...tags.flatMap((tag) => [element("h2", { textContent: tag }), contentsList(ofTag(tag))]),
  );
  byId("endpoints").replaceChildren(...calls.map((call) => endpoint(spec, call)));
  document.body.dataset.ready = "yes";
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function contentsList(calls) {
  const link = (call) => element("a", { href: `#${anchor(call)}`, textContent: call.path });
  return element("ul", {}, ...calls.map((call) => element("li", {}, badge(call.method), link(call))));
}

const anchor = ({ method, path }) => `${method}${path.replaceAll("/", "-")}`;

const badge = (method) => element("span", { className: "method", dataset: { method }, textContent: method.toUpperCase() });

function endpoint(spec, call) {
  const { operation } = call;
  const body = bodyOf(spec, operation);
  const parameters = parametersOf(spec, operation);
  const node = element("section", { className: "endpoint", id: anchor(call), "aria-label": `${call.method} ${call.path}` });
  node.append(
    element("h2", {}, badge(call.method), element("span", { className: "path", textContent: call.path })),
    element("p", {}, ...prose(operation.summary ?? "")),
  );
  if (operation.description) node.append(element("p", { className: "hint" }, ...prose(operation.description)));
  const fields = [...parameters, ...(body?.fields ?? [])];
  if (fields.length > 0) node.append(fieldTable(fields));
  node.append(responseTable(spec, operation.responses ?? {}));

  const needsToken = (operation.security ?? []).length > 0;
  const details = element("details", {}, element("summary", { textContent: "Try it" }));
  details.append(tryForm({ ...call, body, parameters, needsToken }));
  node.append(details);
  return node;
}

function fieldTable(fields) {
  const row = ({ name, type, required, description, standard }) => {
    const about = element("td", {}, ...prose(description));
    if (required) about.prepend(element("strong", { textContent: "Required. " }));
    if (standard !== null) about.append(element("span", { className: "hint", textContent: ` Default ${JSON.stringify(standard)}.` }));
    const kind = element("td", { className: "hint", textContent: type });
    return element("tr", {}, element("th", { scope: "row" }, element("code", { textContent: name })), kind, about);
  };
  return table("Fields", fields.map(row));
}

function responseTable(spec, responses) {
  const row = ([status, response]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", { textContent: status })),
      element("td", { colSpan: 2 }, ...prose(resolve(spec, response).description ?? "")),
    );
  return table("Answers", Object.entries(responses).map(row));
}

function table(title, rows) {
  return element("table", { className: "fields" }, element("caption", { textContent: title }), element("tbody", {}, ...rows));
}

start();
