import assert from "node:assert/strict";
import test from "node:test";
import { later, World } from "./world.js";

const PROFILE = "https://api.example.com/profile";
const REFRESH = "POST /token refresh_token";
const code = (expected) => (error) => error.name === "AuthError" && error.code === expected;

test("a page that loads without a cookie is signed out", async () => {
  const world = new World();
  const auth = world.tab();
  assert.equal(auth.session.status, "unknown");
  assert.equal((await auth.ready).status, "signed-out");
  await assert.rejects(auth.fetch(PROFILE), code("signed_out"));
  assert.deepEqual(world.log, [REFRESH]);
});

test("a page that loads with a cookie is signed in by a silent refresh", async () => {
  const world = new World();
  await world.signedIn();
  const second = world.tab();
  assert.equal((await world.passing(second.ready)).status, "signed-in");
  assert.deepEqual(second.events, ["signed-in"]);
});

test("a request carries the token, and the token is renewed before it expires", async () => {
  const world = new World({ lifetime: 3 });
  const auth = await world.signedIn();
  for (let turn = 0; turn < 20; turn++) {
    const response = await world.passing(auth.fetch(PROFILE));
    assert.equal(response.status, 200);
    await world.pass(3_000);
  }
  assert.ok(world.count(REFRESH) >= 20);
  assert.deepEqual(new Set(auth.events), new Set(["refreshed"]));
});

test("after a 401 the token is refreshed once and the request repeated", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.sessions.set("session-renewed", "anna").delete(world.cookie);
  world.cookie = "session-renewed";
  const response = await world.passing(auth.fetch(PROFILE));
  assert.equal((await response.json()).user, "anna");
  assert.deepEqual(world.log, ["GET /profile", REFRESH, "GET /profile"]);
});

const BODIES = {
  text: () => ["hello", {}],
  "a form": () => {
    const form = new FormData();
    form.set("greeting", "hello");
    return [form, {}];
  },
  "a stream": () => [new Blob(["hello"]).stream(), { duplex: "half" }],
};
for (const [kind, make] of Object.entries(BODIES)) {
  for (const asRequest of [false, true]) {
    test(`a repeated request brings its body again: ${kind}${asRequest ? " in a Request" : ""}`, async () => {
      const world = new World();
      const auth = await world.signedIn();
      world.sessions.set("session-renewed", "anna").delete(world.cookie);
      world.cookie = "session-renewed";
      const [body, more] = make();
      const init = { method: "PUT", body, ...more };
      const call = asRequest ? auth.fetch(new Request(PROFILE, init)) : auth.fetch(PROFILE, init);
      const response = await world.passing(call);
      assert.equal(response.status, 200);
      assert.match((await response.json()).body, /hello/);
      assert.equal(world.count("PUT /profile"), 2);
    });
  }
}

test("a session that was ended elsewhere is found out by a 401", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.end();
  await assert.rejects(world.passing(auth.fetch(PROFILE)), code("signed_out"));
  assert.deepEqual(auth.events, ["signed-out"]);
  assert.equal(auth.session.reason, "session_ended");
});

test("a token goes to registered origins only", async () => {
  const world = new World();
  const auth = await world.signedIn();
  await assert.rejects(auth.fetch("https://evil.example.net/"), code("unknown_api"));
  await assert.rejects(auth.fetch("https://api.example.com.evil.example.net/"), code("unknown_api"));
  assert.deepEqual(world.log, []);
});

test("ten tabs that wake at once send one refresh, and all go on", async () => {
  const world = new World();
  const tabs = [await world.signedIn()];
  for (let count = 1; count < 10; count++) {
    tabs.push(world.tab());
    await world.passing(tabs.at(-1).ready);
  }
  world.now += 901_000; // asleep: no timer rang
  world.log.length = 0;
  const answers = await world.passing(Promise.all(tabs.map((auth) => auth.fetch(PROFILE))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
  assert.equal(world.count(REFRESH), 1);
  assert.equal(world.count("GET /profile"), 10);
});

test("ten tabs without Web Locks all go on", async () => {
  const world = new World();
  const tabs = [await world.signedIn({}, { locks: undefined })];
  for (let count = 1; count < 10; count++) {
    tabs.push(world.tab({}, { locks: undefined }));
    await world.passing(tabs.at(-1).ready);
  }
  world.now += 901_000;
  const answers = await world.passing(Promise.all(tabs.map((auth) => auth.fetch(PROFILE))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
});

test("a sign-in in one tab signs all tabs in", async () => {
  const world = new World();
  const other = world.tab();
  await world.passing(other.ready);
  await world.signedIn();
  await world.pass(10);
  assert.deepEqual(other.events, ["signed-out", "signed-in"]);
  assert.equal((await world.passing(other.fetch(PROFILE))).status, 200);
});

test("a sign-out in one tab signs all tabs out before the server has answered", async () => {
  const world = new World();
  const auth = await world.signedIn();
  const other = world.tab();
  await world.passing(other.ready);
  let answer;
  world.faults.push(new Promise((resolve) => (answer = resolve)));
  const done = auth.signOut();
  await world.pass(10);
  assert.equal(other.session.status, "signed-out");
  assert.ok(world.cookie);
  answer();
  await done;
  assert.equal(world.cookie, undefined);
  assert.equal(auth.session.reason, "signed_out");
});

test("a refresh that is answered after the sign-out does not sign in again", async () => {
  const world = new World();
  const auth = await world.signedIn({}, { locks: undefined });
  const other = world.tab({}, { locks: undefined });
  await world.passing(other.ready);
  let answer;
  world.end();
  world.faults.push(new Promise((resolve) => (answer = resolve)));
  const slow = other.fetch(PROFILE).then(() => "answered", (error) => error.code);
  await world.pass(10);
  await auth.signOut();
  world.cookie = "session-late";
  world.sessions.set("session-late", "anna");
  await world.pass(10);
  answer();
  assert.equal(await world.passing(slow), "signed_out");
  assert.equal(other.session.status, "signed-out");
  assert.equal(auth.session.status, "signed-out");
});

test("without locks a sign-in counts more than the late answer to a refresh from before it, however slow the news", async () => {
  const world = new World();
  const auth = await world.signedIn({}, { locks: undefined });
  const other = world.tab({}, { locks: undefined });
  await world.passing(other.ready);
  world.sessions.set("session-renewed", "anna").delete(world.cookie);
  world.cookie = "session-renewed";
  let answer;
  world.faults.push({ late: new Promise((resolve) => (answer = resolve)) });
  const call = other.fetch(PROFILE);
  await world.pass(10);
  world.mail = [];
  await world.passing(auth.signIn({ username: "eve", password: "secret" }));
  await world.pass(10);
  answer();
  await world.passing(call);
  const { mail } = world;
  world.mail = undefined;
  for (const deliver of mail) deliver();
  for (const tab of [auth, other]) {
    assert.equal((await (await world.passing(tab.fetch(PROFILE))).json()).user, "eve");
  }
});

test("a sign-out that does not reach the server is finished by the next page", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.online = false;
  await assert.rejects(world.passing(auth.signOut()), code("offline"));
  assert.equal(auth.session.status, "signed-out");
  auth.close();
  world.online = true;
  const next = world.tab();
  assert.equal((await world.passing(next.ready)).status, "signed-out");
  assert.equal(world.cookie, undefined);
  assert.equal(world.sessions.size, 0);
  assert.equal(world.kept.size, 0);
});

test("a sign-out that does not reach the server is finished when the network is back", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.online = false;
  await assert.rejects(world.passing(auth.signOut()), code("offline"));
  world.online = true;
  world.wake();
  await world.pass(10);
  assert.equal(world.sessions.size, 0);
  assert.deepEqual(auth.events, ["signed-out", "offline", "online"]);
});

test("a session that was ended elsewhere is known from the refusal of its list", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.end();
  await assert.rejects(world.passing(auth.sessions.list()), code("signed_out"));
  assert.equal(auth.session.status, "signed-out");
});

test("a request of one user is not repeated as another", async () => {
  const world = new World();
  const auth = await world.signedIn();
  const other = world.tab();
  await world.passing(other.ready);
  world.sessions.delete(world.cookie);
  let answer;
  world.faults.push(new Promise((resolve) => (answer = resolve)));
  const call = other.fetch(PROFILE, { method: "POST", body: "pay" }); // its 401 waits for the refresh
  await world.pass(10);
  answer();
  const signingIn = auth.signIn({ username: "eve", password: "secret" });
  const outcome = await world.passing(call.then(() => "repeated", (error) => error.code));
  await world.passing(signingIn);
  assert.ok(["signed_out", "session_changed"].includes(outcome), outcome);
  assert.equal(world.count("POST /profile"), 1);
});

test("a lost answer is asked for again, and nobody notices", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.now += 901_000;
  world.faults.push("lost answer", "no network");
  assert.equal((await world.passing(auth.fetch(PROFILE))).status, 200);
  assert.equal(world.count(REFRESH), 3);
  assert.deepEqual(auth.events, ["refreshed"]);
});

test("while the server asks to wait nobody asks, and the session is kept", async () => {
  const world = new World();
  const auth = await world.signedIn();
  const other = world.tab();
  await world.passing(other.ready);
  world.now += 901_000;
  world.log.length = 0;
  world.faults.push(later(503, 30));
  await assert.rejects(world.passing(auth.fetch(PROFILE)), code("try_later"));
  await assert.rejects(world.passing(auth.fetch(PROFILE)), code("try_later"));
  await assert.rejects(world.passing(other.fetch(PROFILE)), code("try_later"));
  assert.equal(world.count(REFRESH), 1);
  assert.equal(auth.session.status, "signed-in");
  assert.equal(auth.session.offline, true);
  await world.pass(31_000);
  assert.equal((await world.passing(other.fetch(PROFILE))).status, 200);
  assert.equal(auth.session.offline, false);
});

test("offline the tries grow rarer, and the event `online` ends the wait", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.online = false;
  await world.pass(3_600_000);
  const tries = world.count(REFRESH);
  assert.ok(tries > 10 && tries < 80, String(tries));
  world.online = true;
  world.wake();
  await world.pass(10);
  assert.equal(auth.session.offline, false);
  assert.deepEqual(auth.events, ["offline", "online", "refreshed"]);
});

test("a page that nobody sees does not refresh, and does when it is seen", async () => {
  const world = new World();
  let visible = false;
  const auth = await world.signedIn({}, { visible: () => visible });
  await world.pass(3_600_000);
  assert.equal(world.count(REFRESH), 0);
  visible = true;
  world.wake();
  await world.pass(10);
  assert.equal(world.count(REFRESH), 1);
  assert.deepEqual(auth.events, ["refreshed"]);
});

test("a wrong password is told from other refusals", async () => {
  const world = new World();
  const auth = world.tab();
  await world.passing(auth.ready);
  await assert.rejects(world.passing(auth.signIn({ username: "anna", password: "wrong" })), (error) => {
    assert.equal(error.code, "credentials_refused");
    assert.equal(error.reference, "r1");
    return true;
  });
});

test("an origin that is not registered is told from a cut cable", async () => {
  const world = new World();
  const auth = world.tab({}, {});
  world.faults.push("unreadable", "unreadable", "unreadable", "unreadable");
  const session = await world.passing(auth.ready);
  assert.equal(session.status, "unknown");
  assert.equal(session.error.code, "wrong_origin");
  await assert.rejects(world.passing(world.tab({}, { cut: true }).signIn({ username: "a", password: "b" })), code("offline"));
});

test("blocked cookies are found out at once across sites", async () => {
  const world = new World({ blocked: true });
  const auth = world.tab({}, { origin: "https://app.example.net" });
  await world.passing(auth.ready);
  await assert.rejects(world.passing(auth.signIn({ username: "anna", password: "secret" })), code("cookies_blocked"));
  assert.equal(auth.session.status, "signed-out");
});

test("blocked cookies are found out at the first refresh within a site", async () => {
  const world = new World({ blocked: true });
  const auth = await world.signedIn();
  await world.pass(901_000);
  await assert.rejects(world.passing(auth.fetch(PROFILE)), code("cookies_blocked"));
});

test("plain http is refused, but on loopback", () => {
  const world = new World();
  assert.throws(() => world.tab({ issuer: "http://auth.example.com" }), code("insecure"));
  assert.throws(() => world.tab({}, { secure: false }), code("insecure"));
  world.tab({ issuer: "http://127.0.0.1:8000" }, { origin: "http://127.0.0.1:8002" });
});

test("storage never holds more than the wish to sign out", async () => {
  const world = new World();
  const auth = await world.signedIn();
  assert.deepEqual([...world.kept], []);
  world.online = false;
  await assert.rejects(world.passing(auth.signOut()), code("offline"));
  assert.deepEqual([...world.kept.values()], ["signing out"]);
});

test("an aborted request does not wait for the refresh", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.now += 901_000;
  world.faults.push(new Promise(() => {}));
  const stop = new AbortController();
  const call = auth.fetch(PROFILE, { signal: stop.signal });
  stop.abort();
  await assert.rejects(world.passing(call), { name: "AbortError" });
});
