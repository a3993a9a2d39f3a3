// The class for pages: it signs in and out, fetches with the token, and lists the user's sessions.

import { browser } from "./environment.js";
import { AuthError } from "./errors.js";
import { SharedSession } from "./session.js";
import { goodUntil } from "./state.js";
import { refusal } from "./wire.js";

/** @typedef {import("./state.js").State} State */

class SessionEvent extends Event {
  /** @param {string} type @param {object} detail */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

export class AuthClient extends EventTarget {
  #env;
  #issuer;
  #query;
  #apis;
  #shared;

  /** @param {import("../authserver-browser.js").Options} options @param {ReturnType<typeof browser>} [env] */
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
    const sameSite = site(issuer) === site(new URL(env.origin));
    this.#shared = new SharedSession(env, this.#issuer, options.clientId, sameSite, (type) =>
      this.dispatchEvent(new SessionEvent(type, this.session)),
    );
    /** @type {Promise<import("../authserver-browser.js").Session>} */
    this.ready = this.#shared.renew().then(
      () => this.session,
      () => this.session,
    );
  }

  get session() {
    return this.#shared.shown;
  }

  /** @param {import("../authserver-browser.js").Credentials} credentials */
  async signIn(credentials) {
    await this.#shared.signIn(credentials);
    return this.session;
  }

  async signOut({ everywhere = false } = {}) {
    if (everywhere) {
      await this.sessions.endAll();
    }
    await this.#shared.signOut();
  }

  /** @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>} */
  async fetch(input, init) {
    const request = new Request(input, init);
    if (!this.#apis.has(new URL(request.url).origin)) {
      throw new AuthError("unknown_api", { description: request.url });
    }
    // A body can be read only once, so a copy keeps it for a repetition.
    const spare = request.clone();
    const used = await this.#usable(request.signal);
    const person = this.#shared.person;
    const response = await this.#send(request, used);
    if (response.status !== 401) {
      spare.body?.cancel().catch(() => {});
      return response;
    }
    response.body?.cancel().catch(() => {});
    if (this.#shared.state === used) {
      await unlessAborted(this.#shared.renew(), spare.signal);
    }
    const state = this.#signedIn();
    if (person !== this.#shared.person) {
      throw new AuthError("session_changed");
    }
    return this.#send(spare, state);
  }

  get sessions() {
    const call = async (/** @type {string} */ path, method = "DELETE", more = "") => {
      // With the client's id the server finds its cookie, and lets its pages read a refusal.
      const url = `${this.#issuer}/sessions${path}${this.#query}${more}`;
      const response = await this.fetch(url, { method, cache: "no-store" });
      if (!response.ok) {
        throw refusal(response, await response.text());
      }
      return response;
    };
    const noticing = async (/** @type {string} */ path) => {
      await call(path);
      // It may be the page's own session.
      await this.#shared.renew().catch(() => {});
    };
    return {
      list: async () => (await (await call("", "GET")).json()).sessions,
      end: (/** @type {string} */ id) => noticing(`/${encodeURIComponent(id)}`),
      endOthers: async () => void (await call("")),
      endAll: async () => void (await call("", "DELETE", "&all=true")),
    };
  }

  close() {
    this.#shared.close();
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
    if (this.#shared.state.status === "signed-in" && now < goodUntil(this.#shared.state)) {
      if (now >= this.#shared.dueAt()) {
        // The token is still good, so do not wait.
        this.#shared.renew().catch(() => {});
      }
      return this.#shared.state;
    }
    if (this.#shared.state.status !== "signed-out") {
      await unlessAborted(this.#shared.renew(), signal);
    }
    return this.#signedIn();
  }

  #signedIn() {
    if (this.#shared.state.status !== "signed-in") {
      throw new AuthError(this.#shared.state.reason === "cookies_blocked" ? "cookies_blocked" : "signed_out");
    }
    return this.#shared.state;
  }
}

/** The site of an address, as well as possible without the list of public suffixes. @param {URL} url */
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
