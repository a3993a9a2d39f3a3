// Types of authserver-browser: sign in, call APIs and sign out with authserver from a web page.

export interface Options {
  /** Address of the authorization server, as in its metadata; https, or http on loopback. */
  issuer: string;
  /** A public client whose `token_delivery` is `cookie` or `both_cookies`, with this page's origin registered. */
  clientId: string;
  /** Origins or addresses of APIs that may get the access token. The page's own origin and the issuer's always may. */
  apis?: string[];
}

export interface Credentials {
  /** User name or e-mail address. */
  username: string;
  password: string;
  /** Space-separated; by default the client's default scopes. */
  scope?: string;
  /** Shown in the list of sessions; at most 100 characters. */
  deviceName?: string;
}

/** A snapshot; read `AuthClient.session` again for a newer one. Times are milliseconds since 1970 by this device's clock. */
export interface Session {
  /** `unknown` until the first refresh has told whether a user is signed in. */
  readonly status: "unknown" | "signed-in" | "signed-out";
  readonly scope: string | undefined;
  /** When the access token expires; it is renewed before. */
  readonly expiresAt: number;
  /** When the session ends unless it is used. */
  readonly refreshExpiresAt: number;
  /** Why no user is signed in. `session_ended`: there was no session, or it expired, or was ended elsewhere. */
  readonly reason: "signed_out" | "session_ended" | "cookies_blocked" | undefined;
  /** The server cannot be reached, or asks to wait. The session is kept, and refreshed as soon as possible. */
  readonly offline: boolean;
  readonly error: AuthError | undefined;
}

/** One sign-in of the user on one device. Times are ISO 8601 in UTC. */
export interface ListedSession {
  id: string;
  current: boolean;
  client_id: string;
  client_name: string;
  device_name: string | null;
  created_at: string;
  last_used_at: string | null;
  expires_at: string;
  address: string | null;
  user_agent: string | null;
}

export type Code =
  | "insecure"
  | "wrong_origin"
  | "cookies_blocked"
  | "signed_out"
  | "session_changed"
  | "offline"
  | "try_later"
  | "credentials_refused"
  | "refused"
  | "unknown_api";

export class AuthError extends Error {
  /** Stable, for programs. The message is for people. */
  readonly code: Code;
  /** The server's answer, if there was one. */
  readonly status?: number;
  readonly error?: string;
  readonly description?: string;
  /** An administrator can look it up with `authserver why`. */
  readonly reference?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

export interface SessionEvent extends Event {
  readonly detail: Session;
}

export interface SessionEventMap {
  /** A user signed in, here or in another tab, or was signed in already. The page may still show another user's data. */
  "signed-in": SessionEvent;
  /** The user signed out in some tab, or the server refused the session. */
  "signed-out": SessionEvent;
  /** There is a new access token. */
  refreshed: SessionEvent;
  offline: SessionEvent;
  online: SessionEvent;
}

export class AuthClient {
  /** Begins a silent refresh, which tells whether a user is signed in. One client is enough for a page.
   * @throws {AuthError} `insecure` */
  constructor(options: Options);
  /** Resolves when the first refresh was answered, or has failed for the moment (`session.error`). Never rejects. */
  readonly ready: Promise<Session>;
  readonly session: Session;
  /** @throws {AuthError} `credentials_refused`, `try_later`, `offline`, `wrong_origin`, `cookies_blocked`, `refused` */
  signIn(credentials: Credentials): Promise<Session>;
  /** Signs out in all tabs at once, then on the server. If the server cannot be reached, this rejects, and the next
   * page finishes the sign-out. `everywhere` ends the user's sessions on other devices too, and needs the scope `sessions`. */
  signOut(options?: { everywhere?: boolean }): Promise<void>;
  /** The browser's `fetch` with the access token. After a 401 the token is refreshed and the request repeated once, with
   * its body (a copy of a stream's content is kept in memory until the answer comes).
   * @throws {AuthError} `signed_out`, `session_changed`, `offline`, `try_later`, `wrong_origin`, `unknown_api` */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** The user's sessions on all devices. Needs the scope `sessions`. */
  readonly sessions: {
    list(): Promise<ListedSession[]>;
    end(id: string): Promise<void>;
    endOthers(): Promise<void>;
    /** Ends this session too; `signOut({ everywhere: true })` also removes the cookie. */
    endAll(): Promise<void>;
  };
  /** Stops timers and listeners. The session stays. */
  close(): void;
  addEventListener<Name extends keyof SessionEventMap>(
    type: Name,
    listener: ((event: SessionEventMap[Name]) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Name extends keyof SessionEventMap>(
    type: Name,
    listener: ((event: SessionEventMap[Name]) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
