/** A translation as an address: `#en/de/text`, with a domain `#en/de@it/text`. The part after # never reaches the server. */

const LONGEST = 4000; // characters of an address that mail programs and chats leave whole

/** Reads languages, domain and text from the address; LibreTranslate's `?source=&target=&q=` works too. */
export function readLink({ hash, search } = location) {
  const match = /^#([\w-]+)\/([\w-]+)(?:@([^/]+))?(?:\/([^]*))?$/.exec(hash);
  if (match) {
    const [, source, target, domain = "", text = ""] = match;
    return { source, target, domain: decode(domain), text: decode(text) };
  }
  const query = new URLSearchParams(search);
  if (!query.has("q") && !query.has("source") && !query.has("target")) return null;
  const field = (name) => query.get(name) ?? "";
  return { source: query.get("source"), target: query.get("target"), domain: field("domain"), text: field("q") };
}

/** The fragment for a translation, or null where the text is too long for a link. */
export function formatLink({ source, target, domain, text }) {
  const pair = domain ? `${source}/${target}@${encodeURIComponent(domain)}` : `${source}/${target}`;
  const link = `#${pair}/${encodeURIComponent(text.toWellFormed?.() ?? text)}`;
  return link.length <= LONGEST ? link : null;
}

/** Puts the state into the address, without adding a step to the browser's history. */
export function writeLink(state) {
  const fragment = formatLink(state) ?? formatLink({ ...state, text: "" });
  const address = new URL(location.href);
  address.search = "";
  address.hash = fragment;
  if (address.href === location.href) return;
  try {
    history.replaceState(null, "", address);
  } catch {
    // Browsers limit how often this may be done; the next translation does it again.
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand, with a stray %
  }
}
