/** Keeps an open page in step with what the server offers: experts come and go while it runs. */

import * as api from "./api.js";
import { t } from "./i18n.js";
import { AUTO, domainLabel } from "./languages.js";
import { showNotice } from "./notice.js";

const FRESH = 30_000; // ms for which the list counts as new when the reader comes back to the page

/** Asks for the languages again when the server refuses a request, and when the reader comes back. */
export function followOffer(pane, menus, languages) {
  let known = JSON.stringify(languages);
  let asked = Date.now();

  const refresh = async () => {
    asked = Date.now();
    const offered = await api.languages().catch(() => []);
    if (offered.length === 0 || JSON.stringify(offered) === known) return;
    known = JSON.stringify(offered);
    const before = menus.fields;
    menus.update(offered);
    const after = menus.fields;
    if (["source", "target", "domain"].every((field) => before[field] === after[field])) return;
    pane.translate();
    if (before.domain && !after.domain && before.target === after.target) {
      const name = before.domain === AUTO ? t("Automatic domain") : domainLabel(before.domain);
      showNotice(t("{name} is no longer offered by this server. The text is translated without it.", { name }));
    }
  };

  pane.addEventListener("refused", refresh);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - asked > FRESH) refresh();
  });
}
