// A fake browser and server: tabs share locks, channels, storage and cookies, and tests move the clock.

import { AuthClient } from "../src/index.js";

const ISSUER = "https://auth.example.com";
export const PROFILE = "https://api.example.com/profile";
export const REFRESH = "POST /token refresh_token";
const CLIENT = { issuer: ISSUER, clientId: "web", apis: ["https://api.example.com"] };

/** What `assert.rejects` takes for an AuthError of this code. */
export const code = (expected) => (error) => error.name === "AuthError" && error.code === expected;

export class Simulation {
  now = 1_000_000;
  lifetime = 900;
  /** Requests in their order, as "POST /token refresh_token". */
  log = [];
  cookie = undefined;
  sessions = new Map();
  kept = new Map();
  issued = 0;
  online = true;
  /** What happens to the next requests of /token and /revoke: "lost answer", "no network", "unreadable", or a Response. */
  faults = [];
  #timers = new Set();
  #channels = new Map();
  /** Holds the messages between tabs while it is an array. @type {(() => void)[] | undefined} */
  mail;
  #locks = new Map();
  #wakers = new Set();

  constructor(changes = {}) {
    Object.assign(this, changes);
  }

  tab(options = {}, changes = {}) {
    const simulation = this;
    const environment = {
      origin: "https://app.example.com",
      secure: true,
      locks: { request: (...given) => simulation.#request(...given) },
      storage: {
        getItem: (name) => simulation.kept.get(name) ?? null,
        setItem: (name, value) => simulation.kept.set(name, value),
        removeItem: (name) => simulation.kept.delete(name),
      },
      fetch: (input, init) => simulation.#answer(new Request(input, init), environment),
      now: () => simulation.now,
      random: () => 0.5,
      online: () => simulation.online,
      visible: () => true,
      channel: (name) => simulation.#channel(name),
      after(milliseconds, callback) {
        const timer = { at: simulation.now + milliseconds, callback };
        simulation.#timers.add(timer);
        return () => simulation.#timers.delete(timer);
      },
      onWake(callback) {
        simulation.#wakers.add(callback);
        return () => simulation.#wakers.delete(callback);
      },
      ...changes,
    };
    const auth = new AuthClient({ ...CLIENT, ...options }, environment);
    auth.events = [];
    for (const type of ["signed-in", "signed-out", "refreshed", "offline", "online"]) {
      auth.addEventListener(type, (event) => auth.events.push(event.type));
    }
    return auth;
  }

  async signedIn(...tab) {
    const auth = this.tab(...tab);
    await this.passing(auth.ready);
    await this.passing(auth.signIn({ username: "anna", password: "secret" }));
    this.log.length = 0;
    auth.events.length = 0;
    return auth;
  }

  wake(stale = false) {
    for (const callback of this.#wakers) callback(stale);
  }

  /** Lets so many milliseconds pass. Timers run in their order. */
  async pass(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      await settle();
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.callback();
    }
    this.now = end;
    await settle();
  }

  /** Lets time pass until the promise settles, and returns it. */
  async passing(promise) {
    let done = false;
    promise.then(() => (done = true), () => (done = true));
    for (let turn = 0; !done && turn < 600; turn++) {
      await settle();
      if (!done) await this.pass(100);
    }
    if (!done) throw new Error("a minute passed, and nothing came of it");
    return promise;
  }

  count(line) {
    return this.log.filter((entry) => entry === line).length;
  }

  end() {
    this.sessions.clear();
  }

  async #answer(request, environment) {
    const { origin, pathname } = new URL(request.url);
    const form = request.method === "POST" && origin === ISSUER ? new URLSearchParams(await request.clone().text()) : null;
    this.log.push(`${request.method} ${pathname}${form?.get("grant_type") ? ` ${form.get("grant_type")}` : ""}`);
    const fault = pathname === "/token" || pathname === "/revoke" ? this.faults.shift() : undefined;
    if (fault instanceof Promise) await fault;
    if (fault === "no network" || !this.online || environment.cut) throw new TypeError("Failed to fetch");
    if (fault instanceof Response) return fault;
    const answer = origin === ISSUER ? await this.#server(pathname, form, request) : await this.#api(request);
    if (fault?.late) await fault.late;
    if (fault === "lost answer" || fault === "unreadable") throw new TypeError("Failed to fetch");
    return answer;
  }

  async #server(pathname, form, request) {
    if (pathname === "/revoke") {
      this.sessions.delete(this.cookie);
      this.cookie = undefined;
      return json(200, {});
    }
    if (pathname.startsWith("/sessions")) {
      // Without a client_id the server does not know which origins may read a refusal.
      const answer = await this.#api(request);
      if (!answer.ok && !new URL(request.url).searchParams.has("client_id")) throw new TypeError("Failed to fetch");
      return answer;
    }
    if (pathname.startsWith("/.well-known")) return json(200, {});
    if (form.get("grant_type") === "password") {
      if (form.get("password") !== "secret") return json(400, { error: "invalid_grant", reference: "r1" });
      const id = `session-${++this.issued}`;
      this.sessions.set(id, form.get("username"));
      if (!this.blocked) this.cookie = id;
      return this.#tokens(id);
    }
    if (form.get("grant_type") !== "refresh_token") return json(400, { error: "invalid_request" });
    if (!this.cookie) return json(400, { error: "invalid_request" });
    if (!this.sessions.has(this.cookie)) return json(400, { error: "invalid_grant" });
    return this.#tokens(this.cookie);
  }

  #tokens(id) {
    const token = `${id}.${++this.issued}.${this.now + this.lifetime * 1000}`;
    return json(200, { access_token: token, expires_in: this.lifetime, refresh_token_expires_in: 604800, scope: "profile" });
  }

  async #api(request) {
    const [id, , expiry] = (request.headers.get("Authorization") ?? "").replace("Bearer ", "").split(".");
    const body = await request.text();
    if (!this.sessions.has(id) || Number(expiry) <= this.now) return json(401, { body });
    return json(200, { user: this.sessions.get(id), body, type: request.headers.get("Content-Type") });
  }

  #channel(name) {
    const simulation = this;
    const group = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, group);
    const channel = {
      onmessage: undefined,
      postMessage(message) {
        const data = structuredClone(message);
        for (const other of group) {
          const deliver = () => group.has(other) && other.onmessage?.({ data });
          if (other !== channel) simulation.mail ? simulation.mail.push(deliver) : setImmediate(deliver);
        }
      },
      close: () => group.delete(channel),
    };
    group.add(channel);
    return channel;
  }

  async #request(name, ...rest) {
    const work = rest.pop();
    const queue = this.#locks.get(name) ?? [];
    this.#locks.set(name, queue);
    if (rest[0]?.ifAvailable && queue.length) return work(null);
    const before = queue.at(-1);
    let release;
    queue.push(new Promise((resolve) => (release = resolve)));
    await before;
    try {
      return await work({ name });
    } finally {
      queue.shift();
      release();
    }
  }
}

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers });

export const later = (status, seconds) => json(status, { error: "temporarily_unavailable" }, { "Retry-After": seconds });

/** Runs all callbacks that are ready. */
async function settle() {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
}
