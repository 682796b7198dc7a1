/** Documents: dropped or chosen, translated in the background with their progress, and downloaded. */

import * as api from "./api.js";
import { announce, byId, element } from "./dom.js";
import { number, t } from "./i18n.js";
import { recall } from "./storage.js";

/** Milliseconds between two looks at a job. */
const PAUSE = 700;

/** Connects the drop zone; only where the server takes documents. `menus` decide on the languages. */
export function connectDocuments(menus, settings) {
  if (!settings.filesTranslation) return;
  const [zone, field] = [byId("documents"), byId("document-file")];
  zone.hidden = false;
  field.accept = settings.supportedFilesFormat.join(",");
  offerGlossaries(settings);
  const take = (files) => {
    const glossary = byId("document-glossary-choice").value;
    const fields = glossary ? { ...menus.fields, glossaries: glossary } : menus.fields;
    for (const file of files) new DocumentJob(file, fields);
  };
  field.addEventListener("change", () => {
    take(field.files);
    field.value = ""; // the same file may be chosen again
  });
  connectDrop(zone, take);
}

/** Offers the glossaries that there are, for all documents from then on. */
async function offerGlossaries(settings) {
  const isShut = settings.keyRequired && !recall("key");
  const glossaries = isShut ? [] : await api.glossaries();
  if (glossaries.length === 0) return;
  const option = (value, textContent) => element("option", { value, textContent });
  const options = glossaries.map(({ glossary_id: id, name }) => option(id, name));
  byId("document-glossary-choice").replaceChildren(option("", t("None")), ...options);
  byId("document-glossary").hidden = false;
}

/** Files may be dropped anywhere on the page. */
function connectDrop(zone, take) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (isOver) => zone.classList.toggle("over", isOver);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files);
  });
}

/** One document in the list. */
class DocumentJob {
  #id = null;
  #isGone = false;

  constructor(file, fields) {
    this.name = element("span", { className: "document-name", textContent: file.name });
    this.state = element("span", { className: "count" });
    this.bar = element("progress", { max: 1, "aria-label": t("Progress of {name}", { name: file.name }) });
    this.actions = element("span", { className: "actions" });
    this.node = element("li", {}, this.name, this.state, this.bar, this.actions);
    byId("document-list").append(this.node);
    this.#offer(t("Stop"), file.name);
    this.#run(file, fields);
  }

  async #run(file, fields) {
    try {
      this.#say(t("Sending"));
      let job = await api.sendDocument(file, fields);
      this.#id = job.id;
      if (this.#isGone) return api.removeDocument(job.id);
      while (["queued", "translating"].includes(job.state)) {
        this.#show(job);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        if (this.#isGone) return;
        job = await api.documentJob(job.id);
      }
      if (job.state === "failed") throw new Error(job.error);
      this.#done(job);
    } catch (error) {
      if (!this.#isGone) this.#fail(file, error);
    }
  }

  #show(job) {
    if (job.sentences === 0) return this.#say(t("Waiting"));
    this.bar.value = job.sentencesDone / job.sentences;
    const values = { done: number(job.sentencesDone), count: number(job.sentences) };
    this.#say(t("{done} of {count} sentences", values));
  }

  #done(job) {
    this.bar.hidden = true;
    this.#say(job.sentences === 0 ? t("There was nothing to translate") : t("Translated"));
    const link = element("a", {
      className: "primary",
      href: `documents/${job.id}/result`,
      download: "",
      textContent: t("Download"),
      "aria-label": t("Download the translation of {name}", { name: job.name }),
    });
    this.#offer(t("Remove"), job.name, link);
    announce(t("{name} is translated", { name: job.name }));
  }

  #fail(file, error) {
    this.bar.hidden = true;
    this.node.classList.add("failed");
    this.#say(error.reason || error.message);
    this.#offer(t("Remove"), file.name);
    announce(t("{name} was not translated", { name: file.name }));
  }

  #say(text) {
    this.state.textContent = text;
  }

  /** Offers to take the document off the list, behind `others`. */
  #offer(label, name, ...others) {
    const button = element("button", {
      type: "button",
      className: "quiet",
      textContent: label,
      "aria-label": `${label}: ${name}`,
    });
    button.addEventListener("click", () => this.#remove());
    this.actions.replaceChildren(...others, button);
  }

  #remove() {
    this.#isGone = true;
    if (this.#id) api.removeDocument(this.#id);
    this.node.remove();
    byId("document-file").focus();
  }
}
