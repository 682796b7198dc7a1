/** The experts view: each token in the colour of its strongest expert, with a legend and the weights per layer. */

import { element } from "./dom.js";
import { hueOf, kindOf } from "./hue.js";
import { t } from "./i18n.js";
import { recall, remember } from "./storage.js";
import { startsWord, tokenDetail, wordOf } from "./token-detail.js";
import { ALL_LAYERS, layersOf, sharesOf, totalShares } from "./weights.js";

// More than this would not be read, and would make the page slow.
const MOST_LEGS = 60;
const MOST_TOKENS = 500; // of one side of a leg

/** Shows the trace of a translation below it. Emits `toggled`. */
export class TraceView extends EventTarget {
  #panel;
  #toggle;
  #legs = [];
  #layers = { source: ALL_LAYERS, target: ALL_LAYERS };
  #lit = null;
  #pinned = null;

  /** `panel` is where it is shown, `toggle` the switch of the view. */
  constructor(panel, toggle) {
    super();
    this.#panel = panel;
    this.#toggle = toggle;
    toggle.checked = recall("experts-view", false);
    toggle.addEventListener("change", () => {
      remember("experts-view", toggle.checked);
      this.#render();
      this.dispatchEvent(new Event("toggled"));
    });
    panel.addEventListener("keydown", (event) => this.#walk(event));
    this.#render();
  }

  get isOn() {
    return this.#toggle.checked;
  }

  /** What a request must carry, so that its reply can be shown here. */
  get fields() {
    return this.isOn ? { trace: true } : {};
  }

  /** Shows `trace`, the field of a reply; null where there is none. */
  show(trace) {
    this.#legs = (trace?.legs ?? []).map((leg) => ({
      route: leg.route,
      source: leg.source ?? [],
      target: leg.target ?? [],
    }));
    this.#lit = null;
    this.#pinned = null;
    this.#render();
  }

  #render() {
    this.#panel.hidden = !this.isOn;
    if (!this.isOn) return;
    const head = element("div", { className: "trace-head" }, element("h2", { id: "trace-title", textContent: t("Experts of each token") }));
    if (this.#legs.length === 0) {
      const empty = element("p", {
        className: "empty",
        textContent: t("Translate a text to see which experts worked on each of its tokens."),
      });
      this.#panel.replaceChildren(head, empty);
      return;
    }
    const menus = [this.#layerMenu("source", t("Source layer")), this.#layerMenu("target", t("Target layer"))];
    head.append(element("div", { className: "layers" }, ...menus));
    const shown = this.#legs.slice(0, MOST_LEGS);
    const isNew = (leg, index) => leg.route !== shown[index - 1]?.route;
    const sections = shown.map((leg, index) => this.#leg(leg, isNew(leg, index)));
    const body = element("div", { className: "trace-legs" }, ...sections);
    if (shown.length < this.#legs.length) {
      const more = t("and {count} more sentences, which the shares count too", { count: this.#legs.length - shown.length });
      body.append(element("p", { className: "hint", textContent: more }));
    }
    const aside = element("aside", { className: "trace-aside", "aria-label": t("Legend and weights") });
    aside.append(this.#legend(), tokenDetail(null));
    this.#panel.replaceChildren(head, element("div", { className: "trace-body" }, body, aside));
    this.#light(this.#lit);
  }

  /** One sentence on one route; a sentence without a direct route has two. */
  #leg(leg, isNewRoute) {
    const node = element("section", { className: "leg", "aria-label": t("Route {route}", { route: leg.route }) });
    if (isNewRoute) node.append(element("h3", { className: "route", textContent: leg.route.replace("-", " → ") }));
    node.append(this.#side(leg, "source", t("Source")), this.#side(leg, "target", t("Target")));
    return node;
  }

  #side(leg, side, name) {
    const tokens = leg[side];
    const list = element("div", { className: "tokens", role: "group", "aria-label": t("Tokens: {name}", { name }) });
    list.append(...this.#words(tokens.slice(0, MOST_TOKENS), side));
    if (tokens.length > MOST_TOKENS) {
      const more = t("and {count} more tokens", { count: tokens.length - MOST_TOKENS });
      list.append(element("span", { className: "hint", textContent: more }));
    }
    const title = element("span", { className: "side-name", textContent: name });
    return element("div", { className: "side", dataset: { side } }, title, list);
  }

  /** The choice of a layer, for all sentences. */
  #layerMenu(side, name) {
    const layers = layersOf(this.#legs.flatMap((leg) => leg[side]));
    if (!layers.includes(this.#layers[side])) this.#layers[side] = ALL_LAYERS;
    const select = element(
      "select",
      { id: `layer-${side}` },
      element("option", { value: ALL_LAYERS, textContent: t("all layers") }),
      ...layers.map((layer) => element("option", { value: layer, textContent: layer })),
    );
    select.value = this.#layers[side];
    select.addEventListener("change", () => {
      this.#layers[side] = select.value;
      this.#render();
      document.getElementById(select.id).focus();
    });
    return element("label", { className: "layer", textContent: `${name} ` }, select);
  }

  /** The tokens, those of one word side by side. */
  #words(tokens, side) {
    const words = [];
    for (const [index, token] of tokens.entries()) {
      if (index === 0 || startsWord(token)) words.push(element("span", { className: "word" }));
      words.at(-1).append(this.#token(token, side, index));
    }
    return words;
  }

  #token(token, side, index) {
    const shares = sharesOf(token, this.#layers[side]);
    const [name] = shares[0] ?? [];
    const text = wordOf(token);
    const experts = shares.map(([expert, share]) => `${expert} ${Math.round(100 * share)} %`).join(", ") || t("no expert");
    const chip = element("button", {
      type: "button",
      className: "token",
      tabIndex: index === 0 ? 0 : -1, // one stop for Tab; the arrows walk on
      "aria-pressed": "false",
    });
    chip.classList.toggle("special", /^<.*>$/.test(text));
    chip.append(element("span", { className: "text", textContent: text || "␣" }));
    if (name) {
      chip.style.setProperty("--hue", hueOf(name));
      chip.dataset.expert = name;
      chip.dataset.kind = kindOf(name);
      chip.append(element("span", { className: "gloss", textContent: name }));
    } else {
      chip.classList.add("no-expert");
    }
    chip.append(element("span", { className: "visually-hidden", textContent: `: ${experts}` }));
    const look = () => this.#look(token, chip);
    chip.addEventListener("mouseenter", () => this.#pinned ?? look());
    chip.addEventListener("focus", () => this.#pinned ?? look());
    chip.addEventListener("click", () => this.#pin(chip, look));
    return chip;
  }

  /** Shows the weights of one token. */
  #look(token, chip) {
    this.#panel.querySelector(".token-detail").replaceWith(tokenDetail(token));
    for (const row of chip.closest(".tokens").querySelectorAll('[tabindex="0"]')) row.tabIndex = -1;
    chip.tabIndex = 0;
  }

  /** A pressed token keeps its weights on the page until it is pressed again. */
  #pin(chip, look) {
    const isSame = this.#pinned === chip;
    this.#pinned?.setAttribute("aria-pressed", "false");
    this.#pinned = isSame ? null : chip;
    chip.setAttribute("aria-pressed", String(!isSame));
    look();
  }

  #legend() {
    const parts = this.#legs.flatMap((leg) =>
      ["source", "target"].map((side) => ({ tokens: leg[side], layer: this.#layers[side] })),
    );
    const rows = totalShares(parts).map(([name, share]) => {
      const button = element("button", {
        type: "button",
        hue: hueOf(name),
        share,
        "aria-pressed": "false",
        dataset: { expert: name },
      });
      button.append(
        element("span", { className: "swatch", dataset: { kind: kindOf(name) } }),
        element("span", { textContent: name }),
        element("span", { className: "share", textContent: `${Math.round(100 * share)} %` }),
        element("span", { className: "bar", "aria-hidden": "true" }),
      );
      button.addEventListener("click", () => this.#light(this.#lit === name ? null : name));
      return element("li", {}, button);
    });
    const title = element("h3", { textContent: t("Experts and their share") });
    return element("div", {}, title, element("ul", { className: "legend" }, ...rows));
  }

  /** Lights up the tokens of one expert, or all of them. */
  #light(name) {
    this.#lit = name;
    if (name) this.#panel.dataset.lit = name;
    else delete this.#panel.dataset.lit;
    for (const chip of this.#panel.querySelectorAll(".token")) {
      chip.classList.toggle("lit", chip.dataset.expert === name);
    }
    for (const button of this.#panel.querySelectorAll(".legend button")) {
      button.setAttribute("aria-pressed", String(button.dataset.expert === name));
    }
  }

  /** Left, right, Home and End walk through the tokens of a side. */
  #walk(event) {
    const chip = event.target.closest(".token");
    if (!chip) return;
    const chips = [...chip.closest(".tokens").querySelectorAll(".token")];
    const here = chips.indexOf(chip);
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: chips.length - 1 };
    const next = chips[steps[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}
