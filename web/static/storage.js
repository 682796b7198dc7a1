/** What this browser remembers. Where storage is blocked, it is remembered until the page closes. */

const PREFIX = "dragoman.";
const memory = new Map();

/** The value stored under `key`, or `fallback`. */
export function recall(key, fallback = null) {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? (memory.get(key) ?? fallback) : JSON.parse(text);
  } catch {
    return memory.get(key) ?? fallback;
  }
}

/** Stores `value` under `key`; returns whether it will outlive the page. */
export function remember(key, value) {
  memory.set(key, value);
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Forgets what is stored under `key`. */
export function forget(key) {
  memory.delete(key);
  try {
    localStorage.removeItem(PREFIX + key);
  } catch {
    // Storage is blocked: there was nothing to forget.
  }
}
