// What all tabs know of the session: plain values that travel by BroadcastChannel. The newer version wins everywhere.

/**
 * @typedef {object} State
 * @property {"unknown" | "signed-in" | "signed-out"} status
 * @property {number} version of all states of all tabs the greatest counts; milliseconds, or one more than the last
 * @property {number} since version of the sign-in; 0 where no tab knows it, because all came later
 * @property {string} [token] the access token; none where it is a cookie too
 * @property {string} [scope]
 * @property {number} sent when it was asked for: what the server counts from is no earlier
 * @property {number} expiresAt
 * @property {number} refreshExpiresAt
 * @property {"signed_out" | "session_ended" | "cookies_blocked"} [reason] why nobody is signed in
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

/** From when on this tab refreshes: before expiry by a fifth of the lifetime, a minute at most, and as much again by chance, so
 * that tabs and users do not all come at once. @param {State} state @param {number} chance */
export function dueAt({ sent, expiresAt }, chance) {
  const margin = Math.min((expiresAt - sent) / 5, 60_000);
  return expiresAt - margin * (1 + chance);
}

/** Until when a request may take the token along: it must still be good when it arrives. @param {State} state */
export const goodUntil = ({ sent, expiresAt }) => expiresAt - Math.min((expiresAt - sent) / 10, 5_000);

/** The event that stands for going from one to the other. @param {State} old @param {State} next */
export function eventFor(old, next) {
  if (next.status === "signed-out") {
    return old.status === "signed-out" ? undefined : "signed-out";
  }
  return old.status !== "signed-in" || next.since > old.version ? "signed-in" : "refreshed";
}
