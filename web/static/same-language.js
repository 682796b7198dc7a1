/** What happens when a text already is in the language it should be translated into. */

import { announce, byId, element } from "./dom.js";
import { t } from "./i18n.js";
import { AUTO } from "./languages.js";

/**
 * Where the reader did not choose the target, the page takes another one; otherwise it says so, and offers
 * another.
 */
export function connectSameLanguage(pane, menus) {
  const hint = byId("same-language");
  for (const event of ["changed", "cleared"]) pane.addEventListener(event, () => (hint.hidden = true));
  pane.addEventListener("translated", ({ detail: { request, reply } }) => {
    const code = reply.detectedLanguage?.language;
    const other = code === request.target && request.source === AUTO ? menus.otherTarget(code) : null;
    if (!other) return;
    if (!menus.isTargetChosen) {
      menus.choose(AUTO, other);
      announce(t("The text is in {source}: it is translated into {target}", { source: menus.name(code), target: menus.name(other) }));
      return;
    }
    const button = element("button", { type: "button", className: "quiet", textContent: t("Translate into {language}", { language: menus.name(other) }) });
    button.addEventListener("click", () => {
      menus.choose(AUTO, other);
      pane.text.focus();
    });
    hint.replaceChildren(element("p", { textContent: t("The text seems to be in {language} already.", { language: menus.name(code) }) }), button);
    hint.hidden = false;
  });
}
