// The errors: a code for programs, and a text that says what to do.

const TEXTS = {
  insecure: "Sign-in needs https: the browser keeps no secure cookie for a page or an issuer on plain http (loopback excepted).",
  wrong_origin:
    "The server answers, but not to this page: register its origin for the client, exactly as the browser sends it.",
  cookies_blocked:
    "The browser did not keep the cookie of the sign-in: the page and the issuer must be on hosts of one site (such as app.example.com and auth.example.com), and cookies must be allowed.",
  signed_out: "Nobody is signed in.",
  session_changed: "Somebody signed in or out while the request was under way, so it was not repeated.",
  offline: "The server could not be reached. The session is kept.",
  try_later: "The server asks to come again later. The session is kept.",
  credentials_refused: "User name or password is wrong.",
  refused: "The server refused the request.",
  unknown_api: "No token was sent: the origin of this address is not in `apis`.",
};

export class AuthError extends Error {
  /** @type {number | undefined} */ status;
  /** @type {string | undefined} */ error;
  /** @type {string | undefined} */ description;
  /** @type {string | undefined} */ reference;
  /** @type {number | undefined} */ retryAfter;

  /**
   * @param {keyof typeof TEXTS} code
   * @param {{ cause?: unknown, status?: number, error?: string, description?: string, reference?: string,
   *   retryAfter?: number }} [details]
   */
  constructor(code, details = {}) {
    const { cause, ...rest } = details;
    super(TEXTS[code] + (rest.description ? ` (${rest.description})` : ""), { cause });
    this.name = "AuthError";
    Object.assign(this, rest);
    this.code = code;
  }
}
