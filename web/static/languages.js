/** The menus of languages and domains: what can be translated into what. */

import { byId, element } from "./dom.js";
import { language, t } from "./i18n.js";

export const AUTO = "auto";

/** Keeps source, target and domain consistent: a target always is one that the source can reach. */
export class LanguageMenus extends EventTarget {
  #languages;
  #detected = null;

  constructor(languages) {
    super();
    this.#languages = languages;
    this.source = byId("source-language");
    this.target = byId("target-language");
    this.domain = byId("domain");
    this.button = byId("detected");
    /** Whether the reader chose the target; otherwise the page may choose another. */
    this.isTargetChosen = false;
    this.#fillSources();
    this.source.addEventListener("change", () => this.#sourceChanged());
    this.target.addEventListener("change", () => {
      this.isTargetChosen = true;
      this.#changed();
    });
    this.domain.addEventListener("change", () => this.#changed());
    this.button.addEventListener("click", () => this.choose(this.#detected, this.target.value));
  }

  /** The fields of a request that the menus decide. */
  get fields() {
    const fields = { source: this.source.value, target: this.target.value };
    const domain = byId("domain-field").hidden ? "" : this.domain.value;
    return domain ? { ...fields, domain } : fields;
  }

  /** The source language, detected where it is not chosen; null where nothing is known. */
  get sourceLanguage() {
    return this.source.value === AUTO ? this.#detected : this.source.value;
  }

  /** The name of a language in that of the interface; where there is none, the server's name or the code. */
  name(code) {
    const known = this.#find(code)?.name;
    return (language === "en" && known) || languageName(code) || (known ?? code);
  }

  /** Whether the server translates from `source` to `target`. */
  canTranslate(source, target) {
    return Boolean(source) && this.#targets(source).includes(target);
  }

  /** Chooses a pair, as far as the server has it, and tells whoever listens. */
  choose(source, target) {
    this.#set(source, target);
    this.#changed();
  }

  /** Chooses a pair and a domain, as far as the server has them, without telling. */
  start(source, target, domain = "") {
    this.#set(source, target);
    this.domain.value = domain;
    if (this.domain.selectedIndex < 0) this.domain.value = "";
  }

  /** Takes up what the server offers now, and keeps of the choices what it still has. */
  update(languages) {
    const { source, target } = this.fields;
    this.#languages = languages;
    this.#fillSources();
    this.#set(source, target);
  }

  /** A language to translate into in place of `code`, from a text in that language. */
  otherTarget(code) {
    return this.#anyTarget(code);
  }

  /** Exchanges source and target; returns whether there is a way back. */
  swap() {
    const [source, target] = [this.target.value, this.sourceLanguage ?? this.#anyTarget(this.target.value)];
    if (!target || !this.#targets(source).includes(target)) return false;
    this.#set(source, target);
    return true;
  }

  /** Shows what the server took the text for. */
  showDetected(detected) {
    const known = this.source.value === AUTO && detected && detected.confidence > 0;
    this.#detected = known ? this.#find(detected.language)?.code ?? null : null;
    this.button.hidden = !known;
    if (!known) return;
    this.button.textContent = `${this.name(detected.language)}, ${Math.round(detected.confidence)} %`;
    this.button.title = t("Detected. Press to keep {language} as the source", { language: this.name(detected.language) });
  }

  #set(source, target) {
    const previous = this.target.value;
    this.source.value = this.#find(source)?.code ?? AUTO;
    this.#detected = null;
    this.button.hidden = true;
    this.#fillTargets(this.#find(target)?.code ?? previous);
    this.#fillDomains();
  }

  /** Choosing the target's language as the source turns the pair around, as one means by that. */
  #sourceChanged() {
    const source = this.source.value;
    const turned = source === this.target.value ? this.#anyTarget(source) : this.target.value;
    this.#set(source, turned);
    this.#changed();
  }

  #changed() {
    this.#fillDomains();
    this.previousTarget = this.target.value;
    this.dispatchEvent(new Event("change"));
  }

  #fillSources() {
    this.source.replaceChildren(
      element("option", { value: AUTO, textContent: t("Detect language") }),
      ...this.#languages.map(({ code }) => element("option", { value: code, textContent: this.name(code) })),
    );
  }

  #fillTargets(wanted) {
    const codes = this.#targets(this.source.value);
    this.target.replaceChildren(
      ...codes.map((code) => element("option", { value: code, textContent: this.name(code) })),
    );
    if (codes.includes(wanted)) this.target.value = wanted;
    this.target.disabled = codes.length === 0;
  }

  #fillDomains() {
    const from = this.source.value === AUTO ? this.#languages : [this.#find(this.source.value)];
    const target = this.target.value;
    const of = (language) =>
      (language?.domains ?? []).filter((name) => language.domainTargets?.[name]?.includes(target) ?? true);
    const domains = [...new Set(from.flatMap(of))].sort();
    byId("domain-field").hidden = domains.length === 0;
    const wanted = this.domain.value;
    this.domain.replaceChildren(
      element("option", { value: "", textContent: t("General") }),
      element("option", { value: AUTO, textContent: t("Automatic") }),
      ...domains.map((name) => element("option", { value: name, textContent: domainLabel(name) })),
    );
    this.domain.value = wanted === AUTO || domains.includes(wanted) ? wanted : "";
  }

  /** Codes that can be reached from `source`, in the server's order, without itself. */
  #targets(source) {
    const from = source === AUTO ? this.#languages : [this.#find(source)];
    const reachable = new Set(from.flatMap((language) => language?.targets ?? []));
    return this.#languages.map(({ code }) => code).filter((code) => code !== source && reachable.has(code));
  }

  #anyTarget(source) {
    const codes = this.#targets(source);
    const preferred = [this.previousTarget, ...browserLanguages(), "en", "es"];
    return preferred.find((code) => codes.includes(code)) ?? codes[0] ?? null;
  }

  #find(code) {
    const wanted = code?.toLowerCase();
    return this.#languages.find((language) => language.code.toLowerCase() === wanted);
  }
}

/** The languages that the reader set in the browser, the preferred one first, without regions. */
const browserLanguages = () => [language, ...navigator.languages.map((tag) => tag.split("-")[0])];

/** What the browser calls a language, with a capital; null where it knows none. */
function languageName(code) {
  try {
    const name = new Intl.DisplayNames([language], { type: "language", fallback: "none" }).of(code);
    return name && name[0].toLocaleUpperCase(language) + name.slice(1);
  } catch {
    return null; // no code of a language
  }
}

/** What a domain is called on the page. */
export function domainLabel(name) {
  return name.length <= 2 ? name.toUpperCase() : name[0].toUpperCase() + name.slice(1);
}
