// What the module uses of the browser, in one place: tests put a fake one in. Works in workers too, where there is no document.

export function browser() {
  const { document, BroadcastChannel, navigator, location } = globalThis;
  return {
    origin: location.origin,
    secure: isSecureContext,
    locks: navigator.locks,
    fetch: (/** @type {Request | string} */ input, /** @type {RequestInit} */ init = {}) => fetch(input, init),
    now: () => Date.now(),
    random: () => Math.random(),
    online: () => navigator.onLine,
    visible: () => document?.visibilityState !== "hidden",
    /** @param {string} name */
    channel: (name) => (BroadcastChannel ? new BroadcastChannel(name) : undefined),
    /** Calls back after so many milliseconds; returns what calls it off.
     * @param {number} milliseconds @param {() => void} callback */
    after(milliseconds, callback) {
      // Beyond 2^31 a browser would call back at once.
      const timer = setTimeout(callback, Math.min(milliseconds, 2e9));
      return () => clearTimeout(timer);
    },
    /** Calls back when the page comes to life: with true when it may have slept through what other tabs said.
     * @param {(stale: boolean) => void} callback */
    onWake(callback) {
      const stop = new AbortController();
      const options = { signal: stop.signal };
      globalThis.addEventListener("online", () => callback(false), options);
      globalThis.addEventListener("pageshow", (event) => callback(event.persisted), options);
      document?.addEventListener("visibilitychange", () => callback(false), options);
      return () => stop.abort();
    },
    /** Nothing where the browser refuses it. */
    get storage() {
      try {
        return globalThis.localStorage;
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * "A sign-out is not finished", kept beyond the page where that can be. It is all that is ever stored.
 *
 * @param {Storage | undefined} storage @param {string} name
 */
export function mark(storage, name) {
  let here = false;
  return {
    get: () => (storage ? storage.getItem(name) !== null : here),
    set(/** @type {boolean} */ on) {
      here = on;
      try {
        on ? storage?.setItem(name, "signing out") : storage?.removeItem(name);
      } catch {
        storage = undefined; // full: this page remembers
      }
    },
  };
}
