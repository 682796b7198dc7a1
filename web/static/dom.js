/** Small helpers to find and make elements; text always goes in as text, never as markup. */

/** The element whose id is `id`. */
export const byId = (id) => document.getElementById(id);

/** Makes a `tag` with properties (or attributes, where there is no such property) and children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "hue") node.style.setProperty("--hue", value);
    else if (name === "share") node.style.setProperty("--share", value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The parts of a sentence in which `code` stands in backticks. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? element("code", { textContent: part }) : part));
}

/** Says `text` to screen readers, without moving anything on the page. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Shows `text` on a button for a moment, then its own label again. */
export function flash(button, text) {
  button.dataset.label ??= button.textContent;
  clearTimeout(Number(button.dataset.timer));
  button.textContent = text;
  button.dataset.timer = setTimeout(() => (button.textContent = button.dataset.label), 1600);
}

/** Opens a `<dialog>`; its `data-close` buttons, a click beside it and Escape close it. */
export function openDialog(dialog) {
  if (!dialog.dataset.ready) {
    dialog.dataset.ready = "yes";
    for (const button of dialog.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => dialog.close());
    }
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog && isOutside(event, dialog.getBoundingClientRect())) dialog.close();
    });
  }
  dialog.showModal();
}

function isOutside({ clientX, clientY }, { left, right, top, bottom }) {
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}
