// Requests to /token and /revoke, and the errors of their refusals. The refresh token is a cookie that no script sees.

import { AuthError } from "./errors.js";

const TIMEOUT = 8_000;
// The server may have a queue of passwords to hash.
const SIGN_IN_TIMEOUT = 30_000;
// `Retry-After` can be unreadable across origins.
const RETRY_AFTER = 2;

/** @typedef {ReturnType<typeof import("./environment.js").browser>} Environment */

export class Wire {
  #env;
  #issuer;
  #clientId;
  #reached = false;

  /** @param {Environment} env @param {string} issuer @param {string} clientId */
  constructor(env, issuer, clientId) {
    this.#env = env;
    this.#issuer = issuer;
    this.#clientId = clientId;
  }

  /** @param {Record<string, string | undefined>} credentials */
  async signIn(credentials) {
    try {
      return await this.#post("/token", { grant_type: "password", ...credentials }, SIGN_IN_TIMEOUT);
    } catch (error) {
      if (error.error !== "invalid_grant") {
        throw error;
      }
      // The server's description repeats our text.
      throw new AuthError("credentials_refused", { ...error, description: undefined });
    }
  }

  refresh() {
    return this.#post("/token", { grant_type: "refresh_token" });
  }

  signOut() {
    return this.#post("/revoke", {});
  }

  /**
   * @param {string} path
   * @param {Record<string, string | undefined>} fields
   * @returns {Promise<any>} the JSON of the answer
   */
  async #post(path, fields, timeout = TIMEOUT) {
    const form = new URLSearchParams({ client_id: this.#clientId });
    for (const [name, value] of Object.entries(fields)) {
      if (value) {
        form.set(name, value);
      }
    }
    const stop = new AbortController();
    const callOff = this.#env.after(timeout, () => stop.abort());
    try {
      const response = await this.#env.fetch(this.#issuer + path, {
        method: "POST",
        body: form,
        credentials: "include",
        cache: "no-store",
        redirect: "error",
        signal: stop.signal,
      });
      const text = await response.text();
      this.#reached = true;
      if (response.ok) {
        return text ? JSON.parse(text) : {};
      }
      throw refusal(response, text);
    } catch (cause) {
      throw cause instanceof AuthError ? cause : await this.#explain(cause, stop.signal.aborted);
    } finally {
      callOff();
    }
  }

  /**
   * To a script an answer without CORS headers looks like a lost network. If no answer was ever readable, this tells the
   * two apart: every origin can read the metadata, but only a registered origin can read a refusal of /token.
   *
   * @param {unknown} cause @param {boolean} late
   */
  async #explain(cause, late) {
    if (!this.#reached && !late && this.#env.online()) {
      const { origin, pathname } = new URL(this.#issuer);
      const metadata = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
      const readable = (/** @type {string} */ url, /** @type {RequestInit} */ init) =>
        this.#env.fetch(url, { cache: "no-store", ...init }).then(() => true, () => false);
      if (
        (await readable(metadata, { credentials: "omit" })) &&
        !(await readable(`${this.#issuer}/token`, {
          method: "POST",
          body: new URLSearchParams({ client_id: this.#clientId }),
          credentials: "omit",
        }))
      ) {
        return new AuthError("wrong_origin", { cause, description: this.#env.origin });
      }
    }
    return new AuthError("offline", { cause });
  }
}

/** @param {Response} response @param {string} text */
export function refusal(response, text) {
  const { status } = response;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy answered, and not the server.
  }
  const details = { status, error: body?.error, description: body?.error_description, reference: body?.reference };
  if (status === 429 || status >= 500) {
    const seconds = Number(response.headers.get("Retry-After")) || RETRY_AFTER;
    return new AuthError("try_later", { ...details, retryAfter: seconds });
  }
  return new AuthError(status === 403 && body?.error === "invalid_request" ? "wrong_origin" : "refused", details);
}
