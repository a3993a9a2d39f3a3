// One lock for sign-in, refresh and sign-out of one client, over all tabs of the browser.

/**
 * Without Web Locks the turns are kept within this page only; then tabs may refresh at once, which the server's retry
 * window allows.
 *
 * @param {LockManager | undefined} locks
 * @param {string} name
 * @returns {<T>(work: (waited: boolean) => Promise<T>) => Promise<T>} `waited`: somebody else had the lock before
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
