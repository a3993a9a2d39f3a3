// Everything that the module uses of the browser. Tests replace it by a fake. It also works in workers, without a document.

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
    /** Calls back after so many milliseconds. Returns a function that cancels it.
     * @param {number} milliseconds @param {() => void} callback */
    after(milliseconds, callback) {
      // Beyond 2^31 a browser would call back at once.
      const timer = setTimeout(callback, Math.min(milliseconds, 2e9));
      return () => clearTimeout(timer);
    },
    /** Calls back when the page becomes active: with true if it may have missed messages of other tabs.
     * @param {(stale: boolean) => void} callback */
    onWake(callback) {
      const stop = new AbortController();
      const options = { signal: stop.signal };
      globalThis.addEventListener("online", () => callback(false), options);
      globalThis.addEventListener("pageshow", (event) => callback(event.persisted), options);
      document?.addEventListener("visibilitychange", () => callback(false), options);
      return () => stop.abort();
    },
    /** Undefined if the browser refuses storage. */
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
 * The mark of a sign-out that is not finished. It outlives the page if there is storage. Nothing else is ever stored.
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
        storage = undefined; // it is full: keep the mark in this page
      }
    },
  };
}
