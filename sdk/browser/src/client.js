// The session of one client in this browser: refreshed under one lock over all tabs, its state the same in each of them.

import { browser, mark } from "./environment.js";
import { AuthError } from "./errors.js";
import { lockOver } from "./lock.js";
import { dueAt, eventFor, goodUntil, signedIn, signedOut, UNKNOWN } from "./state.js";
import { refusal, Wire } from "./wire.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./environment.js").browser} Browser */

// Pauses of a refresh whose answer did not come: all of them fit into the server's retry window.
const PAUSES = [250, 500, 1_000, 2_000, 4_000];
const LONGEST_PAUSE = 60_000;
// How long a tab that had to wait for the lock listens for what the others got meanwhile.
const HEARING = 200;

class SessionEvent extends Event {
  /** @param {string} type @param {object} detail */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

export class AuthClient extends EventTarget {
  #env;
  #wire;
  #lock;
  #channel;
  #issuer;
  #query;
  #apis;
  #signingOut;
  #sameSite;
  #stopListening;

  /** @type {State} */
  #state = UNKNOWN;
  /** @type {AuthError | undefined} */
  #error;
  /** @type {Promise<void> | undefined} */
  #renewing;
  /** @type {(() => void)[]} */
  #hearers = [];
  #callOff = () => {};
  #chance = 0;
  #failures = 0;
  #retryAt = 0;
  #holdUntil = 0;
  // Requests of one person are never repeated with the token of another: who they are changes with this number.
  #person = 0;
  // No refresh has shown yet that the browser keeps the cookie of the sign-in.
  #unproven = false;
  #closed = false;

  /** @param {import("../authserver-browser.js").Options} options @param {ReturnType<Browser>} [env] */
  constructor(options, env = browser()) {
    super();
    const issuer = new URL(options.issuer);
    const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(issuer.hostname);
    if (!env.secure || (issuer.protocol !== "https:" && !loopback)) {
      throw new AuthError("insecure");
    }
    this.#env = env;
    this.#issuer = issuer.href.replace(/\/$/, "");
    this.#query = `?client_id=${encodeURIComponent(options.clientId)}`;
    this.#apis = new Set([env.origin, issuer.origin, ...(options.apis ?? []).map((url) => new URL(url).origin)]);
    this.#sameSite = site(issuer) === site(new URL(env.origin));
    const name = `authserver ${this.#issuer} ${options.clientId}`;
    this.#signingOut = mark(env.storage, name);
    this.#wire = new Wire(env, this.#issuer, options.clientId);
    this.#lock = lockOver(env.locks, name);
    this.#channel = env.channel(`${name} 1`);
    if (this.#channel) {
      this.#channel.onmessage = ({ data }) => this.#receive(data);
    }
    this.#stopListening = env.onWake((stale) => this.#wake(stale));
    /** @type {Promise<import("../authserver-browser.js").Session>} */
    this.ready = this.#renew().then(
      () => this.session,
      () => this.session,
    );
  }

  get session() {
    const { status, scope, expiresAt, refreshExpiresAt, reason } = this.#state;
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
      await this.#renew().catch(() => {});
      if (this.#state.reason === "cookies_blocked") {
        throw new AuthError("cookies_blocked");
      }
    }
    return this.session;
  }

  async signOut({ everywhere = false } = {}) {
    if (everywhere) {
      await this.sessions.endAll();
    }
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

  /** @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>} */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (!this.#apis.has(new URL(request.url).origin)) {
      throw new AuthError("unknown_api", { description: request.url });
    }
    // A body can be read once. The copy keeps what the first request has read, until it is known not to be needed.
    const spare = request.clone();
    const used = await this.#usable(request.signal);
    const person = this.#person;
    const response = await this.#send(request, used);
    if (response.status !== 401) {
      spare.body?.cancel().catch(() => {});
      return response;
    }
    response.body?.cancel().catch(() => {});
    if (this.#state === used) {
      await unlessAborted(this.#renew(), spare.signal);
    }
    const state = this.#signedIn();
    if (person !== this.#person) {
      throw new AuthError("session_changed");
    }
    return this.#send(spare, state);
  }

  get sessions() {
    const call = async (/** @type {string} */ path, method = "DELETE", more = "") => {
      // The client in the query: its cookie is meant where the token is one, and its pages may read a refusal.
      const url = `${this.#issuer}/sessions${path}${this.#query}${more}`;
      const response = await this.fetch(url, { method, cache: "no-store" });
      if (!response.ok) {
        throw refusal(response, await response.text());
      }
      return response;
    };
    const noticing = async (/** @type {string} */ path) => {
      await call(path);
      // It may have been this one.
      await this.#renew().catch(() => {});
    };
    return {
      list: async () => (await (await call("", "GET")).json()).sessions,
      end: (/** @type {string} */ id) => noticing(`/${encodeURIComponent(id)}`),
      endOthers: async () => void (await call("")),
      endAll: async () => void (await call("", "DELETE", "&all=true")),
    };
  }

  close() {
    this.#closed = true;
    this.#callOff();
    this.#stopListening();
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** @param {Request} request @param {State} state */
  #send(request, state) {
    if (state.token) {
      request.headers.set("Authorization", `Bearer ${state.token}`);
    }
    return this.#env.fetch(request);
  }

  /** A state whose token can be sent. @param {AbortSignal} signal */
  async #usable(signal) {
    const now = this.#env.now();
    if (this.#state.status === "signed-in" && now < goodUntil(this.#state)) {
      if (now >= this.#dueAt()) {
        // No need to wait for it.
        this.#renew().catch(() => {});
      }
      return this.#state;
    }
    if (this.#state.status !== "signed-out") {
      await unlessAborted(this.#renew(), signal);
    }
    return this.#signedIn();
  }

  #signedIn() {
    if (this.#state.status !== "signed-in") {
      throw new AuthError(this.#state.reason === "cookies_blocked" ? "cookies_blocked" : "signed_out");
    }
    return this.#state;
  }

  #dueAt() {
    return dueAt(this.#state, this.#chance);
  }

  /** Refresh, or take what another tab got in the meantime. All callers of a tab share one.
   * @returns {Promise<void>} fails while the server cannot be asked; being signed out is no failure */
  #renew() {
    return (this.#renewing ??= this.#attempts().finally(() => (this.#renewing = undefined)));
  }

  async #attempts() {
    const before = this.#state;
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
    if (waited && this.#state === before) {
      await this.#hear();
    }
    await this.#finishSignOut();
    const state = this.#state;
    if (state !== before && (state.status === "signed-out" || this.#env.now() < this.#dueAt())) {
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
    if (this.#state === state) {
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

  /** Wait for the news of the tab that had the lock: news and lock travel on different ways. */
  async #hear() {
    if (this.#channel) {
      this.#channel.postMessage({ ask: true });
      await new Promise((resolve) => {
        const callOff = this.#env.after(HEARING, () => resolve(undefined));
        this.#hearers.push(() => {
          callOff();
          resolve(undefined);
        });
      });
    }
  }

  /** @param {any} message */
  #receive({ ask, state, holdUntil, code }) {
    if (ask && this.#state.version) {
      this.#channel?.postMessage({ state: this.#state });
    } else if (state?.version > this.#state.version) {
      this.#recovered();
      this.#become({ ...state, since: state.since || this.#state.since }, false);
    } else if (holdUntil) {
      this.#hold(new AuthError(code), holdUntil, holdUntil);
    }
  }

  #heard() {
    for (const tell of this.#hearers.splice(0)) {
      tell();
    }
  }

  /** @param {State} next @param {boolean} [tell] the other tabs */
  #become(next, tell = true) {
    const old = this.#state;
    this.#state = next;
    this.#chance = this.#env.random();
    if (tell) {
      this.#channel?.postMessage({ state: next });
    }
    const type = eventFor(old, next);
    if (type !== "refreshed" && old.status !== "unknown") {
      this.#person++;
    }
    this.#heard();
    this.#schedule();
    if (type) {
      this.#emit(type);
    }
  }

  /** @param {string} type */
  #emit(type) {
    this.dispatchEvent(new SessionEvent(type, this.session));
  }

  #nextVersion() {
    return Math.max(this.#env.now(), this.#state.version + 1);
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
    this.#channel?.postMessage({ holdUntil, code: error.code });
    this.#hold(error, holdUntil, Math.max(holdUntil, now + pause));
  }

  /** @param {AuthError} error @param {number} holdUntil @param {number} retryAt */
  #hold(error, holdUntil, retryAt) {
    this.#error = error;
    this.#holdUntil = holdUntil;
    this.#retryAt = retryAt;
    this.#heard();
    this.#schedule();
    if (this.#failures++ === 0) {
      this.#emit("offline");
    }
  }

  /** @param {boolean} stale */
  #wake(stale) {
    if (stale) {
      // Back from the browser's cache of pages, deaf to the news since.
      this.#renew().catch(() => {});
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
    const { status } = this.#state;
    if (this.#closed || !this.#env.visible() || (status === "signed-out" && !this.#signingOut.get())) {
      return;
    }
    const at = Math.max(status === "signed-in" ? this.#dueAt() : 0, this.#retryAt);
    if (at) {
      this.#callOff = this.#env.after(Math.max(at - this.#env.now(), 0), () => this.#renew().catch(() => {}));
    }
  }
}

/** As good as can be told without the list of public suffixes. @param {URL} url */
function site({ protocol, hostname }) {
  return protocol + (/^[\d.]+$|^\[/.test(hostname) ? hostname : hostname.split(".").slice(-2).join("."));
}

/** @template T @param {Promise<T>} work @param {AbortSignal} signal @returns {Promise<T>} */
function unlessAborted(work, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) {
      abort();
    }
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
