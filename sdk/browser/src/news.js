// Messages between the tabs of one client. The newer state wins in every tab, so an old message does no harm.

// How long a tab that had to wait for the lock waits for the messages of the others.
const HEARING = 200;

export class News {
  #env;
  #channel;
  /** @type {(() => void)[]} */
  #hearers = [];

  /**
   * @param {ReturnType<typeof import("./environment.js").browser>} env
   * @param {string} name
   * @param {(message: any) => void} receive called with each message of another tab
   */
  constructor(env, name, receive) {
    this.#env = env;
    this.#channel = env.channel(`${name} 1`);
    if (this.#channel) {
      this.#channel.onmessage = ({ data }) => receive(data);
    }
  }

  /** @param {object} message */
  tell(message) {
    this.#channel?.postMessage(message);
  }

  /** Wait for the news of the tab that had the lock, because news may arrive later than the lock. */
  async hear() {
    if (this.#channel) {
      this.tell({ ask: true });
      await new Promise((resolve) => {
        const callOff = this.#env.after(HEARING, () => resolve(undefined));
        this.#hearers.push(() => {
          callOff();
          resolve(undefined);
        });
      });
    }
  }

  /** News has come: end the waiting. */
  heard() {
    for (const tell of this.#hearers.splice(0)) {
      tell();
    }
  }

  close() {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
