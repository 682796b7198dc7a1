/** A field to search users in: a combobox with a list of matches. */

import { element } from "./dom.js";

const WAIT = 150; // ms without another key before the server is asked
const SHOWN = 8;

/** Connects `input` and `list`; `search(text, n)` finds users, `pick(user)` is called with the chosen one. */
export function connectPicker(input, list, { search, pick, failed }) {
  let timer = 0;
  let asked = 0;
  let active = -1;
  const options = () => [...list.children];

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const choose = (user) => {
    asked += 1; // an answer that comes later must not open the list again
    close();
    pick(user);
  };

  const show = (users) => {
    list.replaceChildren(...users.map((user, index) => option(user, `${list.id}-${index}`, () => choose(user))));
    list.hidden = users.length === 0;
    active = -1;
    input.setAttribute("aria-expanded", String(users.length > 0));
  };

  const ask = async () => {
    const number = ++asked;
    try {
      const users = await search(input.value.trim(), SHOWN);
      if (number === asked) show(users);
    } catch (error) {
      failed(error);
    }
  };

  const move = (step) => {
    const all = options();
    if (all.length === 0) return;
    active = (active + step + all.length) % all.length;
    all.forEach((one, index) => one.setAttribute("aria-selected", String(index === active)));
    input.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  input.addEventListener("focus", () => {
    input.select();
    ask();
  });
  input.addEventListener("blur", () => setTimeout(close, WAIT)); // after a click on the list
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") list.hidden ? ask() : move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter") {
      clearTimeout(timer);
      if (active >= 0) options()[active].click();
      else if (input.value.trim()) choose({ UserId: input.value.trim(), Comment: "" });
    } else return;
    event.preventDefault();
  });
}

function option(user, id, choose) {
  const node = element("li", { id, role: "option", "aria-selected": "false" });
  node.append(element("span", { textContent: user.Comment || user.UserId }));
  if (user.Comment) node.append(element("span", { className: "hint", textContent: user.UserId }));
  node.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  node.addEventListener("click", choose);
  return node;
}
