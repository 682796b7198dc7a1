/** The two leaves: what is written on the left is asked of the server, and shown on the right. */

import * as api from "./api.js";
import { announce, byId } from "./dom.js";
import { number, t } from "./i18n.js";
import { hideNotice, showNotice } from "./notice.js";
import { showQuality } from "./quality.js";
import { markWords } from "./word-marks.js";

const MOST_RETRIES = 5;

/**
 * Translates while one types. Emits `translated` (detail: request and reply), `changed` when the text no longer is
 * what was translated, `cleared`, and `refused` when the server cannot take the request.
 */
export class TranslatePane extends EventTarget {
  #menus;
  #settings;
  #extras;
  #timer = 0;
  #inFlight = null;
  #retries = 0;
  #undo = null;

  /** `extras` returns fields to add to a request, such as `trace`. */
  constructor(menus, settings, extras) {
    super();
    this.#menus = menus;
    this.#settings = settings;
    this.#extras = extras;
    /** The last request that was answered, with its reply; null when the right leaf is empty. */
    this.answered = null;
    this.text = byId("source-text");
    this.output = byId("translation");
    this.leaf = byId("target-leaf");

    this.text.addEventListener("input", () => this.#edited());
    byId("clear").addEventListener("click", () => {
      this.replace(() => this.write(""));
      this.text.focus();
    });
    menus.addEventListener("change", () => this.translate());
    addEventListener("online", () => this.text.value.trim() && !this.answered && this.translate());
  }

  /** Puts `text` on the left leaf and translates it. */
  write(text) {
    this.text.value = text;
    this.translate();
  }

  /** Does `work`, which replaces text and languages. `undo` takes it back, until another text is typed. */
  replace(work) {
    const before = { ...this.#menus.fields, text: this.text.value };
    work();
    this.#undo = { before, after: this.text.value };
  }

  /** Takes the last `replace` back; returns whether there was one that the text still shows. */
  undo() {
    if (this.#undo?.after !== this.text.value) return false;
    const { source, target, domain, text } = this.#undo.before;
    this.#undo = null;
    this.#menus.start(source, target, domain);
    this.write(text);
    return true;
  }

  /** Exchanges languages and texts. */
  swap() {
    this.replace(() => this.#swap());
  }

  #swap() {
    const [text, translation] = [this.text.value, this.output.textContent];
    if (!this.#menus.swap()) {
      showNotice(t("This server cannot translate in the other direction. Choose the languages in the menus."));
      return;
    }
    if (translation) this.say(text); // the texts change places, until the answer arrives
    this.write(translation || text);
    const [source, target] = [this.#menus.source, this.#menus.target].map(({ value }) => this.#menus.name(value));
    announce(t("From {source} to {target}", { source, target }));
  }

  /** Translates at once. */
  translate() {
    this.#retries = 0;
    this.#prepare();
    if (this.#isReady()) this.#ask();
  }

  /** Shows another wording in place of the best one. */
  say(wording) {
    markWords(this.output, wording);
    fit(this.output, wording);
  }

  /** Another key press: waits for a pause before it asks. */
  #edited() {
    this.#retries = 0;
    this.#prepare();
    if (!this.#isReady()) return;
    this.#timer = setTimeout(() => this.#ask(), Math.max(150, this.#settings.frontendTimeout ?? 500));
  }

  /** Drops what was under way: its answer would be one to another text. */
  #prepare() {
    clearTimeout(this.#timer);
    this.#inFlight?.abort();
    this.#inFlight = null;
    hideNotice();
    fit(this.text, this.text.value);
    byId("clear").disabled = this.text.value === "";
    this.dispatchEvent(new Event("changed"));
  }

  /** Whether there is something to translate, and not too much of it. */
  #isReady() {
    const length = codePoints(this.text.value);
    const limit = this.#settings.charLimit ?? -1;
    const excess = limit >= 0 ? length - limit : 0;
    const counter = byId("count");
    const values = { length: number(length), limit: number(limit) };
    const text = limit >= 0 ? "{length} of {limit} characters" : length === 1 ? "1 character" : "{length} characters";
    counter.textContent = t(text, values);
    counter.classList.toggle("over", excess > 0);
    if (this.text.value.trim() === "") {
      this.#clear();
      return false;
    }
    if (excess > 0) {
      this.#clear();
      const values = { limit: number(limit), excess: number(excess) };
      showNotice(t("This server takes {limit} characters at a time; these are {excess} more. Shorten the text, or translate it in parts.", values));
      return false;
    }
    return true;
  }

  async #ask() {
    clearTimeout(this.#timer);
    const fields = { ...this.#menus.fields, format: "text", scores: true, quality: true, ...this.#extras() };
    const request = { q: this.text.value, ...fields };
    const controller = new AbortController();
    this.#inFlight = controller;
    this.#busy(true);
    try {
      const reply = await api.translate(request, controller.signal);
      if (this.#inFlight === controller) this.#show(request, reply);
    } catch (error) {
      if (this.#inFlight === controller) this.#fail(error);
    }
  }

  #show(request, reply) {
    this.#busy(false);
    this.#inFlight = null;
    this.#retries = 0;
    this.answered = { request, reply };
    this.text.lang = request.source === "auto" ? (reply.detectedLanguage?.language ?? "") : request.source;
    this.output.lang = request.target;
    this.say(reply.translatedText);
    this.#menus.showDetected(reply.detectedLanguage);
    // What stays as it is is not translated well or badly.
    const isSame = request.source === "auto" && reply.detectedLanguage?.language === request.target;
    this.#showScore(isSame ? null : reply.scores);
    showQuality(isSame ? null : reply.quality);
    this.dispatchEvent(new CustomEvent("translated", { detail: this.answered }));
  }

  #fail(error) {
    this.#inFlight = null;
    this.#retries += 1;
    const patient = error.kind === "busy" && this.#retries <= MOST_RETRIES;
    if (!patient) this.#clear(); // the right leaf would answer another text
    const retry = () => this.#ask();
    if (patient) showNotice(error.message, { retry, seconds: error.retryAfter ?? 2 });
    else if (error.kind === "language") showNotice(this.#otherLanguage(error.detected));
    else if (error.kind === "key") showNotice(error.message, { open: byId("key-open") });
    else if (["refused", "long"].includes(error.kind)) showNotice(error.message);
    else showNotice(error.message ?? String(error), { retry });
    if (error.kind === "refused") this.dispatchEvent(new Event("refused"));
  }

  #otherLanguage(code) {
    const values = { language: this.#menus.name(code) };
    return t("The text seems to be in {language}, which this server does not translate. If it is in another language, choose that one.", values);
  }

  #clear() {
    this.#busy(false);
    this.answered = null;
    this.say("");
    this.#menus.showDetected(null);
    this.#showScore(null);
    showQuality(null);
    this.dispatchEvent(new Event("cleared"));
  }

  #busy(isBusy) {
    this.leaf.setAttribute("aria-busy", String(isBusy));
  }

  /** The mean log-probability as what it means for one token. */
  #showScore(score) {
    const hint = byId("score");
    hint.hidden = typeof score !== "number" || !Number.isFinite(score);
    if (hint.hidden) return;
    const percent = number(100 * Math.exp(score), { maximumFractionDigits: 1 });
    const values = { percent, score: number(score, { maximumFractionDigits: 2 }) };
    hint.textContent = t("{percent} % sure", { percent: Math.round(100 * Math.exp(score)) });
    hint.title = t("The model gave each token of this translation a probability of {percent} % (geometric mean; log-probability {score}). It says how sure the model is, not whether it is right.", values);
  }
}

/** Short texts are set large, long ones smaller. */
function fit(node, text) {
  node.dataset.length = text.length < 160 ? "short" : text.length < 600 ? "middle" : "long";
}

/** Characters as the server counts them. */
function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
