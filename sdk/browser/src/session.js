// One session over all tabs of this browser: signed in, refreshed and signed out under one lock, its state the same in each.

import { mark } from "./environment.js";
import { AuthError } from "./errors.js";
import { lockOver } from "./lock.js";
import { News } from "./news.js";
import { dueAt, eventFor, signedIn, signedOut, UNKNOWN } from "./state.js";
import { Wire } from "./wire.js";

/** @typedef {import("./state.js").State} State */

// Pauses of a refresh whose answer did not come: all of them fit into the server's retry window.
const PAUSES = [250, 500, 1_000, 2_000, 4_000];
const LONGEST_PAUSE = 60_000;

export class SharedSession {
  #env;
  #sameSite;
  #emit;
  #wire;
  #lock;
  #news;
  #signingOut;
  #stopListening;

  /** @type {State} */
  state = UNKNOWN;
  // Requests of one person are never repeated with the token of another: who they are changes with this number.
  person = 0;
  /** @type {AuthError | undefined} */
  #error;
  /** @type {Promise<void> | undefined} */
  #renewing;
  #callOff = () => {};
  #chance = 0;
  #failures = 0;
  #retryAt = 0;
  #holdUntil = 0;
  // No refresh has shown yet that the browser keeps the cookie of the sign-in.
  #unproven = false;
  #closed = false;

  /**
   * @param {ReturnType<typeof import("./environment.js").browser>} env
   * @param {string} issuer
   * @param {string} clientId
   * @param {boolean} sameSite page and issuer are of one site, so Strict cookies come along
   * @param {(type: string) => void} emit called with each event of the session
   */
  constructor(env, issuer, clientId, sameSite, emit) {
    this.#env = env;
    this.#sameSite = sameSite;
    this.#emit = emit;
    const name = `authserver ${issuer} ${clientId}`;
    this.#signingOut = mark(env.storage, name);
    this.#wire = new Wire(env, issuer, clientId);
    this.#lock = lockOver(env.locks, name);
    this.#news = new News(env, name, (message) => this.#receive(message));
    this.#stopListening = env.onWake((stale) => this.#wake(stale));
  }

  /** What the page is told. */
  get shown() {
    const { status, scope, expiresAt, refreshExpiresAt, reason } = this.state;
    const error = this.#error;
    return Object.freeze({ status, scope, expiresAt, refreshExpiresAt, reason, error, offline: this.#failures > 0 });
  }

  /** @param {import("../authserver-browser.js").Credentials} credentials */
  async signIn({ username, password, scope, deviceName }) {
    await this.#lock(async () => {
      await this.#finishSignOut();
      const sent = this.#env.now();
      const answer = await this.#wire.signIn({ username, password, scope, device_name: deviceName });
      const version = this.#nextVersion();
      this.#unproven = true;
      this.#recovered();
      this.#become(signedIn(answer, sent, version, version));
    });
    if (!this.#sameSite) {
      // Across sites no browser sends a Strict cookie: better found out now than when the access token expires.
      await this.renew().catch(() => {});
      if (this.state.reason === "cookies_blocked") {
        throw new AuthError("cookies_blocked");
      }
    }
  }

  async signOut() {
    // From here on nobody is signed in here, whatever happens to the request: closed tab, lost network, crash.
    this.#signingOut.set(true);
    this.#become(signedOut("signed_out", this.#nextVersion()));
    try {
      await this.#lock(() => this.#finishSignOut());
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  close() {
    this.#closed = true;
    this.#callOff();
    this.#stopListening();
    this.#news.close();
  }

  dueAt() {
    return dueAt(this.state, this.#chance);
  }

  /** Refresh, or take what another tab got in the meantime. All callers of a tab share one.
   * @returns {Promise<void>} fails while the server cannot be asked; being signed out is no failure */
  renew() {
    return (this.#renewing ??= this.#attempts().finally(() => (this.#renewing = undefined)));
  }

  async #attempts() {
    const before = this.state;
    if (this.#error && this.#env.now() < this.#holdUntil) {
      throw this.#error;
    }
    for (let tried = 0; ; tried++) {
      try {
        // The lock is let go between attempts, so that a sign-out need not wait for the network to come back.
        return await this.#lock((waited) => this.#attempt(before, waited));
      } catch (error) {
        if (error === this.#error) {
          throw error; // found out by another tab, and scheduled
        }
        if (error.code !== "offline" || tried === PAUSES.length || !this.#env.online() || this.#closed) {
          this.#failed(error);
          throw error;
        }
        const pause = PAUSES[tried] * (0.5 + this.#env.random() / 2);
        await new Promise((resolve) => this.#env.after(pause, () => resolve(undefined)));
      }
    }
  }

  /** @param {State} before @param {boolean} waited */
  async #attempt(before, waited) {
    if (waited && this.state === before) {
      await this.#news.hear();
    }
    await this.#finishSignOut();
    const state = this.state;
    if (state !== before && (state.status === "signed-out" || this.#env.now() < this.dueAt())) {
      return;
    }
    if (this.#error && this.#env.now() < this.#holdUntil) {
      throw this.#error;
    }
    const sent = this.#env.now();
    let next;
    try {
      next = signedIn(await this.#wire.refresh(), sent, 0, state.since);
      this.#unproven = false;
    } catch (error) {
      // Without a cookie the request lacks its token.
      const missing = error.status === 400 && error.error === "invalid_request";
      if (!missing && error.error !== "invalid_grant") {
        throw error;
      }
      const blocked = this.#unproven && (missing || !this.#sameSite);
      next = signedOut(blocked ? "cookies_blocked" : "session_ended", 0);
    }
    this.#recovered();
    // An answer that comes after somebody signed in or out says nothing about the session of now.
    if (this.state === state) {
      // As old as the question: should another tab have signed somebody in since, that is the newer state everywhere.
      this.#become({ ...next, version: Math.max(sent, state.version + 1) });
    }
  }

  /** Revoke the session if a sign-out was asked for, here or in a page that is gone. Only under the lock. */
  async #finishSignOut() {
    if (this.#signingOut.get()) {
      await this.#wire.signOut();
      this.#signingOut.set(false);
      this.#recovered();
      this.#become(signedOut("signed_out", this.#nextVersion()));
    }
  }

  /** @param {any} message */
  #receive({ ask, state, holdUntil, code }) {
    if (ask && this.state.version) {
      this.#news.tell({ state: this.state });
    } else if (state?.version > this.state.version) {
      this.#recovered();
      this.#become({ ...state, since: state.since || this.state.since }, false);
    } else if (holdUntil) {
      this.#hold(new AuthError(code), holdUntil, holdUntil);
    }
  }

  /** @param {State} next @param {boolean} [tell] the other tabs */
  #become(next, tell = true) {
    const old = this.state;
    this.state = next;
    this.#chance = this.#env.random();
    if (tell) {
      this.#news.tell({ state: next });
    }
    const type = eventFor(old, next);
    if (type !== "refreshed" && old.status !== "unknown") {
      this.person++;
    }
    this.#news.heard();
    this.#schedule();
    if (type) {
      this.#emit(type);
    }
  }

  #nextVersion() {
    return Math.max(this.#env.now(), this.state.version + 1);
  }

  #recovered() {
    const offline = this.#failures > 0;
    this.#error = undefined;
    this.#failures = this.#retryAt = this.#holdUntil = 0;
    if (offline) {
      this.#emit("online");
    }
  }

  /** The session is kept; later is another try. @param {AuthError} error */
  #failed(error) {
    const now = this.#env.now();
    const { retryAfter = 0 } = error;
    const pause = Math.min(1_000 * 2 ** this.#failures, LONGEST_PAUSE) * (0.5 + this.#env.random() / 2);
    // Who asks in between is told at once what is wrong; other tabs need not find it out.
    const holdUntil = now + Math.max(retryAfter * 1000, 1_000);
    this.#news.tell({ holdUntil, code: error.code });
    this.#hold(error, holdUntil, Math.max(holdUntil, now + pause));
  }

  /** @param {AuthError} error @param {number} holdUntil @param {number} retryAt */
  #hold(error, holdUntil, retryAt) {
    this.#error = error;
    this.#holdUntil = holdUntil;
    this.#retryAt = retryAt;
    this.#news.heard();
    this.#schedule();
    if (this.#failures++ === 0) {
      this.#emit("offline");
    }
  }

  /** @param {boolean} stale */
  #wake(stale) {
    if (stale) {
      // Back from the browser's cache of pages, deaf to the news since.
      this.renew().catch(() => {});
    } else {
      if (this.#failures && this.#env.online()) {
        this.#retryAt = this.#env.now();
        this.#holdUntil = 0;
      }
      this.#schedule();
    }
  }

  /** A page that nobody sees does not refresh: it would keep alive a session that nobody uses. */
  #schedule() {
    this.#callOff();
    const { status } = this.state;
    if (this.#closed || !this.#env.visible() || (status === "signed-out" && !this.#signingOut.get())) {
      return;
    }
    const at = Math.max(status === "signed-in" ? this.dueAt() : 0, this.#retryAt);
    if (at) {
      this.#callOff = this.#env.after(Math.max(at - this.#env.now(), 0), () => this.renew().catch(() => {}));
    }
  }
}
