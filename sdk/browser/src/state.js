// The state of the session that all tabs share: plain values, sent by BroadcastChannel. The newer version wins.

/**
 * @typedef {object} State
 * @property {"unknown" | "signed-in" | "signed-out"} status
 * @property {number} version the greatest of all tabs wins; the time in milliseconds, or the last version plus one
 * @property {number} since version of the sign-in; 0 if all tabs opened after it
 * @property {string} [token] the access token; absent if it is a cookie too
 * @property {string} [scope]
 * @property {number} sent when the request left: the server counts from no earlier time
 * @property {number} expiresAt
 * @property {number} refreshExpiresAt
 * @property {"signed_out" | "session_ended" | "cookies_blocked"} [reason] why no user is signed in
 */

const NEVER = { since: 0, sent: 0, expiresAt: 0, refreshExpiresAt: 0 };

/** @type {State} */
export const UNKNOWN = { ...NEVER, status: "unknown", version: 0 };

/** @param {any} answer of the token endpoint @param {number} sent @param {number} version @param {number} since
 * @returns {State} */
export const signedIn = (answer, sent, version, since) => ({
  status: "signed-in",
  version,
  since,
  token: answer.access_token,
  scope: answer.scope,
  sent,
  expiresAt: sent + answer.expires_in * 1000,
  refreshExpiresAt: sent + answer.refresh_token_expires_in * 1000,
});

/** @param {State["reason"]} reason @param {number} version @returns {State} */
export const signedOut = (reason, version) => ({ ...NEVER, status: "signed-out", version, reason });

/** Returns when this tab refreshes: a fifth of the lifetime before expiry, at most a minute, and by chance up to twice
 * that, so that tabs and users do not all refresh at once. @param {State} state @param {number} chance */
export function dueAt({ sent, expiresAt }, chance) {
  const margin = Math.min((expiresAt - sent) / 5, 60_000);
  return expiresAt - margin * (1 + chance);
}

/** Returns until when a request may carry the token: it must still be good when it arrives. @param {State} state */
export const goodUntil = ({ sent, expiresAt }) => expiresAt - Math.min((expiresAt - sent) / 10, 5_000);

/** Returns the name of the event for this change. @param {State} old @param {State} next */
export function eventFor(old, next) {
  if (next.status === "signed-out") {
    return old.status === "signed-out" ? undefined : "signed-out";
  }
  return old.status !== "signed-in" || next.since > old.version ? "signed-in" : "refreshed";
}
