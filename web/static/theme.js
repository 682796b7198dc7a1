/** Light and dark: as the system has it, until the reader decides otherwise. */

import { forget, recall, remember } from "./storage.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = () => (system.matches ? "dark" : "light");
const currentTheme = () => recall("theme") ?? systemTheme();

function apply() {
  const chosen = recall("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  document.getElementById("theme-toggle")?.setAttribute("aria-pressed", String(currentTheme() === "dark"));
}

/** Changes to the other theme. Choosing what the system has means following the system again. */
function toggle() {
  const wanted = currentTheme() === "dark" ? "light" : "dark";
  if (wanted === systemTheme()) forget("theme");
  else remember("theme", wanted);
  apply();
}

function connect() {
  document.getElementById("theme-toggle")?.addEventListener("click", toggle);
  apply();
}

apply(); // before the first paint
system.addEventListener("change", apply);
addEventListener("storage", apply); // another tab changed it
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", connect);
else connect();
