/**
 * The head and the foot of every page, as two elements, and the one table of pages.
 *
 * `<site-masthead page="NAME">` holds the tools of its page, if there are any; `<site-colophon page="NAME">` its
 * closing words.
 */

import { element } from "./dom.js";
import { LANGUAGES, chooseLanguage, language, localise, t } from "./i18n.js";
import { connectTheme } from "./theme.js";

/** The pages of the site. A new page is a line here, an HTML file and a route of the server. */
export const PAGES = [
  { name: "translate", path: "./", title: "Translate" },
  { name: "recommend", path: "recommend", title: "Recommend" },
  { name: "experts", path: "experts", title: "Experts" },
  { name: "docs", path: "docs", title: "API" },
];

/** Pages for whoever runs the server, named at the foot alone. */
const FOR_KEEPERS = [
  { path: "insights", title: "Insights" },
  { path: "suggestions", title: "Suggestions" },
  { path: "metrics", title: "Metrics" },
];

const STAR = `<svg viewBox="0 0 32 32" aria-hidden="true">
  <path d="M16 1l4.4 4.4h6.2v6.2L31 16l-4.4 4.4v6.2h-6.2L16 31l-4.4-4.4H5.4v-6.2L1 16l4.4-4.4V5.4h6.2z"/>
  <circle cx="16" cy="16" r="4.6"/>
</svg>`;
const MOON = `<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z"/></svg>`;

/** The name of the site, the way to its pages, and the tools of this one. */
class Masthead extends HTMLElement {
  connectedCallback() {
    const tools = element("div", { className: "tools" }, ...this.children, themeButton());
    const header = element("header", { className: "masthead" }, wordmark(), navigation(this.getAttribute("page")), tools);
    const lattice = element("div", { className: "lattice", "aria-hidden": "true" });
    this.replaceChildren(header, lattice);
  }
}

/** The closing words of a page, the way to the others, and the language of the interface. */
class Colophon extends HTMLElement {
  connectedCallback() {
    const others = PAGES.filter(({ name }) => name !== this.getAttribute("page"));
    const links = [...others, ...FOR_KEEPERS].map(link);
    const list = element("ul", {}, ...links.map((node) => element("li", {}, node)));
    this.replaceChildren(element("footer", { className: "colophon" }, ...this.children, list, languageMenu()));
  }
}

function wordmark() {
  const node = element("a", { className: "wordmark", href: "./", innerHTML: STAR });
  node.append(element("span", { textContent: "Dragoman" }));
  return node;
}

function navigation(current) {
  const links = PAGES.map((page) => {
    const node = link(page);
    if (page.name === current) node.setAttribute("aria-current", "page");
    return node;
  });
  return element("nav", { className: "pages", "aria-label": t("Pages") }, ...links);
}

const link = ({ path, title }) => element("a", { href: path, textContent: t(title) });

function languageMenu() {
  const options = Object.entries(LANGUAGES).map(([code, name]) => element("option", { value: code, textContent: name, lang: code }));
  const menu = element("select", { id: "interface-language", "aria-label": t("Language of this page") }, ...options);
  menu.value = language;
  menu.addEventListener("change", () => chooseLanguage(menu.value));
  return menu;
}

function themeButton() {
  const node = element("button", { type: "button", className: "tool", id: "theme-toggle", innerHTML: MOON });
  node.append(element("span", { textContent: t("Dark") }));
  connectTheme(node);
  return node;
}

localise(document.documentElement);
customElements.define("site-masthead", Masthead);
customElements.define("site-colophon", Colophon);
