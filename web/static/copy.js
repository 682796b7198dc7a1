/** Copies text, also where the clipboard API is missing: plain http on a local network. */

import { announce, flash } from "./dom.js";
import { t } from "./i18n.js";

/** Copies `text`, and shows on `button` whether that worked. */
export async function copyText(text, button) {
  const done = (await viaClipboard(text)) || viaSelection(text);
  flash(button, done ? t("Copied") : t("Not copied"));
  announce(done ? t("Copied") : t("The browser did not allow copying. Select the text and copy it by hand."));
  button.focus();
}

async function viaClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function viaSelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
