// Checks the texts of the interface: every language has the same ones, with the same placeholders.
//
//     node tests/e2e/web/strings.mjs
//
// It prints a line for each mistake, and ends with status 1 if there is one.

import { readFileSync, readdirSync } from "node:fs";

const WEB = new URL("../../../web/", import.meta.url);
const read = (path) => readFileSync(new URL(path, WEB), "utf8");

/** The files are modules without a `package.json`, so they are imported from their text. */
const strings = async (code) => (await import(`data:text/javascript,${encodeURIComponent(read(`static/strings/${code}.js`))}`)).default;

const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort().join(" ");

const mistakes = [];
const check = (holds, message) => holds || mistakes.push(message);

const codes = readdirSync(new URL("static/strings/", WEB)).map((name) => name.replace(/\.js$/, ""));
const offered = /LANGUAGES = \{([^}]*)\}/.exec(read("static/i18n.js"))[1];
const menu = [...offered.matchAll(/(\w+):/g)].map(([, code]) => code).filter((code) => code !== "en");
check(codes.join() === menu.toSorted().join(), `the menu of the page offers ${menu.toSorted()}, the files are ${codes}`);

// What the scripts ask for by a literal, and everything that stands in scripts and pages.
const scripts = readdirSync(new URL("static/", WEB)).filter((name) => name.endsWith(".js")).map((name) => read(`static/${name}`));
const pages = readdirSync(WEB).filter((name) => name.endsWith(".html")).map(read);
const asked = scripts.flatMap((script) => [...script.matchAll(/\bt\(("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text)));
const sources = [...scripts, ...pages].join("\n").replaceAll(/\s+/g, " ");
const isUsed = (text) => sources.includes(text) || / experts$/.test(text); // kinds of experts are put together

const tables = new Map(await Promise.all(codes.map(async (code) => [code, await strings(code)])));
const texts = new Set([...tables.values()].flatMap(Object.keys).concat(asked));
for (const [code, table] of tables) {
  const lines = read(`static/strings/${code}.js`).match(/^ {2}"/gm).length;
  check(lines === Object.keys(table).length, `${code} has a text twice`);
  for (const text of texts) check(text in table, `${code} lacks ${JSON.stringify(text)}`);
  for (const [text, translation] of Object.entries(table)) {
    const at = `${code}: ${JSON.stringify(text)}`;
    check(isUsed(text), `${at} stands nowhere on the pages`);
    check(translation.trim() !== "" && translation === translation.trim(), `${at} is ${JSON.stringify(translation)}`);
    check(placeholders(translation) === placeholders(text), `${at} has the placeholders ${placeholders(translation)}`);
  }
}
check(asked.length > 100, `only ${asked.length} texts were found in the scripts`);

for (const mistake of mistakes) console.error(mistake);
process.exitCode = mistakes.length > 0 ? 1 : 0;
