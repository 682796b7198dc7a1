/** Light and dark: the system's choice, until the reader makes another. */

import { forget, recall, remember } from "./storage.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = () => (system.matches ? "dark" : "light");
const currentTheme = () => recall("theme") ?? systemTheme();

const toggles = [];

/** Makes `button` switch between the themes. */
export function connectTheme(button) {
  button.addEventListener("click", toggle);
  toggles.push(button);
  apply();
}

function apply() {
  const chosen = recall("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  for (const button of toggles) button.setAttribute("aria-pressed", String(currentTheme() === "dark"));
}

/** Changes to the other theme. Choosing the system's theme means following the system again. */
function toggle() {
  const wanted = currentTheme() === "dark" ? "light" : "dark";
  if (wanted === systemTheme()) forget("theme");
  else remember("theme", wanted);
  apply();
}

apply(); // before the first paint
system.addEventListener("change", apply);
addEventListener("storage", apply); // another tab changed it
