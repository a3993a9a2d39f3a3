import assert from "node:assert/strict";
import test from "node:test";
import { code, later, PROFILE, REFRESH, World } from "./world.js";

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

test("a session that was ended elsewhere is known from the refusal of its list", async () => {
  const world = new World();
  const auth = await world.signedIn();
  world.end();
  await assert.rejects(world.passing(auth.sessions.list()), code("signed_out"));
  assert.equal(auth.session.status, "signed-out");
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
