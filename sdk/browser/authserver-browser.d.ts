// Types of authserver-browser: signing in, fetching and signing out with authserver from a web page.

export interface Options {
  /** Address of the authorization server, as in its metadata; https, or http on loopback. */
  issuer: string;
  /** A public client whose `token_delivery` is `cookie` or `both_cookies`, with this page's origin registered. */
  clientId: string;
  /** Origins or addresses of APIs that may see the access token, beside the page's own origin and the issuer's. */
  apis?: string[];
}

export interface Credentials {
  /** User name or e-mail address. */
  username: string;
  password: string;
  /** Space-separated; without it the client's default. */
  scope?: string;
  /** Shown in the list of sessions; at most 100 characters. */
  deviceName?: string;
}

/** A picture of the moment; ask `AuthClient.session` again for a newer one. Times are milliseconds since 1970, by this device's clock. */
export interface Session {
  /** `unknown` until the first refresh is answered, which says whether somebody is signed in. */
  readonly status: "unknown" | "signed-in" | "signed-out";
  readonly scope: string | undefined;
  /** When the access token expires; it is renewed before. */
  readonly expiresAt: number;
  /** When the session ends unless it is used. */
  readonly refreshExpiresAt: number;
  /** Why nobody is signed in. `session_ended`: there was none, or it expired, was ended elsewhere or by an administrator. */
  readonly reason: "signed_out" | "session_ended" | "cookies_blocked" | undefined;
  /** The server cannot be reached, or asks to wait. The session is kept, and refreshed as soon as that works again. */
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
  /** Stable, for programs; the message is for people. */
  readonly code: Code;
  /** What the server said, where it did. */
  readonly status?: number;
  readonly error?: string;
  readonly description?: string;
  /** An administrator looks it up with `authserver why`. */
  readonly reference?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

export interface SessionEvent extends Event {
  readonly detail: Session;
}

export interface SessionEventMap {
  /** Somebody signed in, here or in another tab, or was found signed in. What the page shows may be another user's. */
  "signed-in": SessionEvent;
  /** In any tab, or because the server said so. */
  "signed-out": SessionEvent;
  /** There is a new access token. */
  refreshed: SessionEvent;
  offline: SessionEvent;
  online: SessionEvent;
}

export class AuthClient {
  /** Begins a silent refresh, which tells whether somebody is signed in. One for a page is enough.
   * @throws {AuthError} `insecure` */
  constructor(options: Options);
  /** Resolves when the first refresh was answered or has failed for now (`session.error`). Never rejects. */
  readonly ready: Promise<Session>;
  readonly session: Session;
  /** @throws {AuthError} `credentials_refused`, `try_later`, `offline`, `wrong_origin`, `cookies_blocked`, `refused` */
  signIn(credentials: Credentials): Promise<Session>;
  /** Signs out in all tabs at once, then on the server. When that cannot be reached it fails, and is done later, by
   * whichever page comes first. `everywhere` ends the user's sessions on other devices too, and needs the scope `sessions`. */
  signOut(options?: { everywhere?: boolean }): Promise<void>;
  /** As the browser's own, with the access token. After a 401 the token is refreshed and the request repeated once, its body
   * included (a copy of a stream's content is kept in memory until the answer comes).
   * @throws {AuthError} `signed_out`, `session_changed`, `offline`, `try_later`, `wrong_origin`, `unknown_api` */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** The user's sessions on all devices. Needs the scope `sessions`. */
  readonly sessions: {
    list(): Promise<ListedSession[]>;
    end(id: string): Promise<void>;
    endOthers(): Promise<void>;
    /** This one included; `signOut({ everywhere: true })` removes the cookie as well. */
    endAll(): Promise<void>;
  };
  /** Stop timers and listeners. The session lives on. */
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
