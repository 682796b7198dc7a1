/** The line that says what went wrong and how to go on, with a countdown where trying again may help. */

import { byId, element } from "./dom.js";
import { t } from "./i18n.js";

let timer = 0;

/**
 * Shows `text`; with `retry`, a button, and with `seconds`, a countdown that presses it; with `open`, a button that
 * presses that one, which helps.
 */
export function showNotice(text, { retry = null, seconds = null, open = null } = {}) {
  hideNotice();
  const notice = byId("notice");
  const message = element("p", { textContent: text });
  notice.replaceChildren(message);
  notice.hidden = false;
  if (open && !open.hidden) {
    const button = element("button", { type: "button", className: "quiet", textContent: open.textContent.trim() });
    button.addEventListener("click", () => open.click());
    notice.append(button);
  }
  if (!retry) return;

  const again = () => {
    hideNotice();
    retry();
  };
  // A countdown beside the alert, not within it: it would be read aloud every second.
  const wait = element("span", { className: "hint", "aria-hidden": "true" });
  const button = element("button", { type: "button", className: "quiet", textContent: t("Try now") });
  button.addEventListener("click", again);
  notice.append(wait, button);
  if (seconds !== null) countDown(seconds, wait, again);
}

/** Takes the notice away, and with it any waiting attempt. */
export function hideNotice() {
  clearInterval(timer);
  const notice = byId("notice");
  notice.hidden = true;
  notice.replaceChildren();
}

function countDown(seconds, wait, done) {
  let left = seconds;
  const tick = () => {
    wait.textContent = t("Trying again in {left} s", { left });
    if (left <= 0) done();
    left -= 1;
  };
  tick();
  timer = setInterval(tick, 1000);
}
