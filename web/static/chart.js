/** A chart of one figure by day: a bar for each, drawn as SVG. */

import { element } from "./dom.js";
import { language, number, t } from "./i18n.js";

const WIDTH = 600;
const HEIGHT = 140;

/** Makes a part of an SVG; numbers and colours only, so attributes are enough. */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const day = (timestamp) => new Date(timestamp).toLocaleDateString(language, { day: "numeric", month: "short", timeZone: "UTC" });

/**
 * The chart of `points` `{ Timestamp, Value }`. `isShare` shows values as percentages; `total` says what stands for
 * all of them together.
 */
export function chart(title, points, { isShare = false, total = "" } = {}) {
  const shown = (value) => number(value, isShare ? { style: "percent", maximumFractionDigits: 1 } : {});
  const most = points.reduce((best, point) => (point.Value > best.Value ? point : best));
  const scale = most.Value > 0 ? HEIGHT / most.Value : 0;
  const step = WIDTH / points.length;
  const bars = points.map(({ Timestamp, Value }, place) => {
    const height = Value * scale;
    const box = { x: place * step, y: HEIGHT - height, width: step * 0.8, height };
    const hint = svg("title", {});
    hint.textContent = `${day(Timestamp)}: ${shown(Value)}`;
    return svg("rect", box, hint);
  });
  const label = most.Value > 0 ? t("{title} by day, highest on {day}: {value}", { title, day: day(most.Timestamp), value: shown(most.Value) }) : t("{title} by day: none", { title });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
    ...bars,
  );
  const caption = element("figcaption", {}, element("h2", { textContent: title }), element("span", { className: "total", textContent: total }));
  const peak = most.Value > 0 ? t("highest: {value}", { value: shown(most.Value) }) : "";
  const ends = [day(points[0].Timestamp), peak, day(points.at(-1).Timestamp)];
  return element(
    "figure",
    { className: "chart card" },
    caption,
    drawing,
    element("div", { className: "ends" }, ...ends.map((textContent) => element("span", { textContent }))),
  );
}
