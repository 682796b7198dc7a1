/** Reads texts aloud with the browser's own voices, where it has one for the language. */

import { byId } from "./dom.js";

/** Connects the buttons of both leaves. */
export function connectSpeech(pane, menus) {
  const voices = window.speechSynthesis;
  if (!voices) return;
  const leaves = [
    { button: byId("source-listen"), text: () => pane.text.value, language: () => menus.sourceLanguage },
    { button: byId("target-listen"), text: () => pane.output.textContent, language: () => pane.answered?.request.target },
  ];

  const stop = () => {
    voices.cancel();
    for (const { button } of leaves) button.setAttribute("aria-pressed", "false");
  };
  const speak = ({ button, text, language }) => {
    const utterance = new SpeechSynthesisUtterance(text());
    utterance.lang = language();
    utterance.voice = voiceFor(utterance.lang, voices);
    utterance.addEventListener("end", () => button.setAttribute("aria-pressed", "false"));
    utterance.addEventListener("error", () => button.setAttribute("aria-pressed", "false"));
    voices.speak(utterance);
    button.setAttribute("aria-pressed", "true");
  };
  const update = () => {
    for (const { button, text, language } of leaves) {
      button.hidden = text().trim() === "" || !voiceFor(language(), voices);
    }
  };

  for (const leaf of leaves) {
    leaf.button.addEventListener("click", () => {
      const isSpeaking = leaf.button.getAttribute("aria-pressed") === "true";
      stop();
      if (!isSpeaking) speak(leaf);
    });
  }
  for (const event of ["changed", "cleared", "translated"]) {
    pane.addEventListener(event, () => {
      stop();
      update();
    });
  }
  voices.addEventListener?.("voiceschanged", update);
  addEventListener("pagehide", stop);
}

/** A voice that speaks `language`, on this machine if there is one. */
function voiceFor(language, voices) {
  const fitting = voices.getVoices().filter(({ lang }) => language && lang.toLowerCase().startsWith(language.toLowerCase()));
  return fitting.find(({ localService }) => localService) ?? null;
}
