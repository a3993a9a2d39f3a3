// One lock for sign-in, refresh and sign-out of one client, over all tabs of the browser.

/**
 * Without Web Locks it orders the work of this page only. Then tabs may refresh at the same time, which the server's
 * retry window allows.
 *
 * @param {LockManager | undefined} locks
 * @param {string} name
 * @returns {<T>(work: (waited: boolean) => Promise<T>) => Promise<T>} `waited`: another tab or call had the lock before
 */
export function lockOver(locks, name) {
  if (locks) {
    return async (work) => {
      const done = await locks.request(name, { ifAvailable: true }, async (lock) => lock && { result: await work(false) });
      return done ? done.result : locks.request(name, () => work(true));
    };
  }
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  return (work) => {
    const turn = last.then(() => work(false));
    last = turn.catch(() => {});
    return turn;
  };
}
