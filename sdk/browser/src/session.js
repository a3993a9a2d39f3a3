// The session that all tabs of this browser share: sign-in, refresh and sign-out hold one lock, and every tab has its state.

import { mark } from "./environment.js";
import { AuthError } from "./errors.js";
import { lockOver } from "./lock.js";
import { News } from "./news.js";
import { dueAt, eventFor, signedIn, signedOut, UNKNOWN } from "./state.js";
import { Wire } from "./wire.js";

/** @typedef {import("./state.js").State} State */

// Pauses before a refresh without an answer is repeated. Together they fit into the server's retry window.
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
  // Changes with the user, so that a request of one user is never repeated with the token of another.
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

  /** The session as the page sees it. */
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
      // Browsers send no Strict cookie across sites. Find that out now, not when the access token expires.
      await this.renew().catch(() => {});
      if (this.state.reason === "cookies_blocked") {
        throw new AuthError("cookies_blocked");
      }
    }
  }

  async signOut() {
    // From now on this page is signed out, even if the tab is closed, the network is lost or the browser crashes.
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

  /** Refresh, or take the answer that another tab got in the meantime. All callers of a tab share one call.
   * @returns {Promise<void>} fails if the server cannot be reached, and not if the session has ended */
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
        // Each attempt takes the lock anew, so that a sign-out does not have to wait until the network is back.
        return await this.#lock((waited) => this.#attempt(before, waited));
      } catch (error) {
        if (error === this.#error) {
          throw error; // another tab met this error, and a retry is scheduled
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
    // If a user has signed in or out since the request, its answer says nothing about the present session.
    if (this.state === state) {
      // The version is the time of the request, so a sign-in in another tab since then is newer in every tab.
      this.#become({ ...next, version: Math.max(sent, state.version + 1) });
    }
  }

  /** Revoke the session if a sign-out has begun, here or in a page that is closed. Call it only under the lock. */
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

  /** Keep the session, and schedule another try. @param {AuthError} error */
  #failed(error) {
    const now = this.#env.now();
    const { retryAfter = 0 } = error;
    const pause = Math.min(1_000 * 2 ** this.#failures, LONGEST_PAUSE) * (0.5 + this.#env.random() / 2);
    // Until then calls fail at once with this error, in other tabs too, without a request.
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
      // The page comes from the browser's back-forward cache and has missed messages.
      this.renew().catch(() => {});
    } else {
      if (this.#failures && this.#env.online()) {
        this.#retryAt = this.#env.now();
        this.#holdUntil = 0;
      }
      this.#schedule();
    }
  }

  /** A hidden page does not refresh, because it would keep an unused session alive. */
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
