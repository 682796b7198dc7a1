/** Other words at one place of a translation: what the model's other wordings say there. */

import { askAlternatives } from "./alternatives.js";
import { announce, byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { showNotice } from "./notice.js";
import { replacementOf } from "./words.js";

const WANTED = 10; // wordings asked for; the server may allow fewer

/** Connects the words of the translation: a click, or the arrow keys and Enter, shows what else fits there. */
export function connectWordChoices(pane) {
  const menu = byId("word-choices");
  let wordings = null; // a promise: asked for once for each translation
  let inFlight = null;

  const marks = () => [...pane.output.querySelectorAll(".word-mark")];
  const current = () => pane.output.querySelector(".word-mark.current");
  const reset = () => {
    inFlight?.abort();
    inFlight = null;
    wordings = null;
    close();
  };
  const close = () => {
    if (menu.matches(":popover-open")) menu.hidePopover();
  };
  const select = (mark) => {
    current()?.classList.remove("current");
    mark?.classList.add("current");
  };

  const ask = () => {
    inFlight ??= new AbortController();
    wordings ??= askAlternatives(pane.answered.request, WANTED, inFlight.signal).then((reply) => [
      pane.answered.reply.translatedText,
      ...(reply.alternatives ?? []),
    ]);
    return wordings;
  };
  const open = async (mark) => {
    if (!pane.answered) return;
    select(mark);
    const text = pane.output.textContent;
    show(menu, mark, [element("li", { className: "hint", textContent: t("Looking for other words …") })]);
    try {
      const choices = choicesAt(text, await ask(), marks().indexOf(mark));
      if (pane.output.textContent !== text || !menu.matches(":popover-open")) return;
      const rows = choices.map(({ word, wording }) => row(word, wording, () => take(wording, word)));
      show(menu, mark, rows.length > 0 ? rows : [element("li", { className: "hint", textContent: t("The model offers no other word here.") })]);
      menu.querySelector("button")?.focus();
    } catch (error) {
      wordings = null;
      close();
      if (error.name !== "AbortError") showNotice(error.message);
    }
  };
  const take = (wording, word) => {
    close();
    pane.say(wording);
    pane.output.focus();
    announce(t("Changed to “{word}”", { word }));
  };

  pane.output.addEventListener("click", (event) => {
    const mark = event.target.closest?.(".word-mark");
    if (mark && getSelection().isCollapsed) open(mark); // a selection is meant for copying
  });
  pane.output.addEventListener("keydown", (event) => {
    const all = marks();
    const here = all.indexOf(current());
    const steps = { ArrowRight: here + 1, ArrowLeft: here < 0 ? -1 : here - 1, Home: 0, End: all.length - 1 };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && all[steps[event.key]]) {
      event.preventDefault();
      select(all[steps[event.key]]);
      announce(current().textContent);
    }
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && current()) {
      event.preventDefault();
      open(current());
    }
  });
  menu.addEventListener("keydown", (event) => {
    const buttons = [...menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length)?.focus();
  });
  menu.addEventListener("toggle", ({ newState }) => newState === "closed" && select(null));
  for (const event of ["changed", "cleared", "translated"]) pane.addEventListener(event, reset);
}

/** What `wordings` say in place of a word of `text`, each replacement once. */
function choicesAt(text, wordings, index) {
  const found = new Map();
  for (const wording of wordings) {
    const word = wording === text ? null : replacementOf(text, wording, index);
    if (word !== null && !found.has(word)) found.set(word, wording);
  }
  return [...found].map(([word, wording]) => ({ word, wording }));
}

function row(word, wording, take) {
  const button = element("button", { type: "button" }, element("strong", { textContent: word }));
  if (wording !== word) button.append(element("span", { className: "hint", textContent: wording }));
  button.addEventListener("click", take);
  return element("li", {}, button);
}

/** Shows `rows` below `mark`, or above it where there is no room. */
function show(menu, mark, rows) {
  menu.replaceChildren(element("ul", {}, ...rows));
  if (!menu.matches(":popover-open")) menu.showPopover();
  const place = mark.getBoundingClientRect();
  const most = document.documentElement.clientWidth - menu.offsetWidth - 8;
  menu.style.left = `${Math.max(8, Math.min(place.left, most))}px`;
  const fitsBelow = place.bottom + menu.offsetHeight + 4 <= innerHeight;
  menu.style.top = `${fitsBelow ? place.bottom + 4 : Math.max(8, place.top - menu.offsetHeight - 4)}px`;
}
