import assert from "node:assert/strict";
import test from "node:test";
import { code, later, PROFILE, REFRESH, Simulation } from "./simulation.js";

test("a page that loads without a cookie is signed out", async () => {
  const simulation = new Simulation();
  const auth = simulation.tab();
  assert.equal(auth.session.status, "unknown");
  assert.equal((await auth.ready).status, "signed-out");
  await assert.rejects(auth.fetch(PROFILE), code("signed_out"));
  assert.deepEqual(simulation.log, [REFRESH]);
});

test("a page that loads with a cookie is signed in by a silent refresh", async () => {
  const simulation = new Simulation();
  await simulation.signedIn();
  const second = simulation.tab();
  assert.equal((await simulation.passing(second.ready)).status, "signed-in");
  assert.deepEqual(second.events, ["signed-in"]);
});

test("a request carries the token, and the token is renewed before it expires", async () => {
  const simulation = new Simulation({ lifetime: 3 });
  const auth = await simulation.signedIn();
  for (let turn = 0; turn < 20; turn++) {
    const response = await simulation.passing(auth.fetch(PROFILE));
    assert.equal(response.status, 200);
    await simulation.pass(3_000);
  }
  assert.ok(simulation.count(REFRESH) >= 20);
  assert.deepEqual(new Set(auth.events), new Set(["refreshed"]));
});

test("after a 401 the token is refreshed once and the request repeated", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.sessions.set("session-renewed", "anna").delete(simulation.cookie);
  simulation.cookie = "session-renewed";
  const response = await simulation.passing(auth.fetch(PROFILE));
  assert.equal((await response.json()).user, "anna");
  assert.deepEqual(simulation.log, ["GET /profile", REFRESH, "GET /profile"]);
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
      const simulation = new Simulation();
      const auth = await simulation.signedIn();
      simulation.sessions.set("session-renewed", "anna").delete(simulation.cookie);
      simulation.cookie = "session-renewed";
      const [body, more] = make();
      const init = { method: "PUT", body, ...more };
      const call = asRequest ? auth.fetch(new Request(PROFILE, init)) : auth.fetch(PROFILE, init);
      const response = await simulation.passing(call);
      assert.equal(response.status, 200);
      assert.match((await response.json()).body, /hello/);
      assert.equal(simulation.count("PUT /profile"), 2);
    });
  }
}

test("a session that was ended elsewhere is found out by a 401", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.end();
  await assert.rejects(simulation.passing(auth.fetch(PROFILE)), code("signed_out"));
  assert.deepEqual(auth.events, ["signed-out"]);
  assert.equal(auth.session.reason, "session_ended");
});

test("a token goes to registered origins only", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  await assert.rejects(auth.fetch("https://evil.example.net/"), code("unknown_api"));
  await assert.rejects(auth.fetch("https://api.example.com.evil.example.net/"), code("unknown_api"));
  assert.deepEqual(simulation.log, []);
});

test("a session that was ended elsewhere is known from the refusal of its list", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.end();
  await assert.rejects(simulation.passing(auth.sessions.list()), code("signed_out"));
  assert.equal(auth.session.status, "signed-out");
});

test("a lost answer is asked for again, and nobody notices", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.now += 901_000;
  simulation.faults.push("lost answer", "no network");
  assert.equal((await simulation.passing(auth.fetch(PROFILE))).status, 200);
  assert.equal(simulation.count(REFRESH), 3);
  assert.deepEqual(auth.events, ["refreshed"]);
});

test("while the server asks to wait nobody asks, and the session is kept", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  const other = simulation.tab();
  await simulation.passing(other.ready);
  simulation.now += 901_000;
  simulation.log.length = 0;
  simulation.faults.push(later(503, 30));
  await assert.rejects(simulation.passing(auth.fetch(PROFILE)), code("try_later"));
  await assert.rejects(simulation.passing(auth.fetch(PROFILE)), code("try_later"));
  await assert.rejects(simulation.passing(other.fetch(PROFILE)), code("try_later"));
  assert.equal(simulation.count(REFRESH), 1);
  assert.equal(auth.session.status, "signed-in");
  assert.equal(auth.session.offline, true);
  await simulation.pass(31_000);
  assert.equal((await simulation.passing(other.fetch(PROFILE))).status, 200);
  assert.equal(auth.session.offline, false);
});

test("offline the tries grow rarer, and the event `online` ends the wait", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.online = false;
  await simulation.pass(3_600_000);
  const tries = simulation.count(REFRESH);
  assert.ok(tries > 10 && tries < 80, String(tries));
  simulation.online = true;
  simulation.wake();
  await simulation.pass(10);
  assert.equal(auth.session.offline, false);
  assert.deepEqual(auth.events, ["offline", "online", "refreshed"]);
});

test("a page that nobody sees does not refresh, and does when it is seen", async () => {
  const simulation = new Simulation();
  let visible = false;
  const auth = await simulation.signedIn({}, { visible: () => visible });
  await simulation.pass(3_600_000);
  assert.equal(simulation.count(REFRESH), 0);
  visible = true;
  simulation.wake();
  await simulation.pass(10);
  assert.equal(simulation.count(REFRESH), 1);
  assert.deepEqual(auth.events, ["refreshed"]);
});

test("a wrong password is told from other refusals", async () => {
  const simulation = new Simulation();
  const auth = simulation.tab();
  await simulation.passing(auth.ready);
  await assert.rejects(simulation.passing(auth.signIn({ username: "anna", password: "wrong" })), (error) => {
    assert.equal(error.code, "credentials_refused");
    assert.equal(error.reference, "r1");
    return true;
  });
});

test("an origin that is not registered is told from a cut cable", async () => {
  const simulation = new Simulation();
  const auth = simulation.tab({}, {});
  simulation.faults.push("unreadable", "unreadable", "unreadable", "unreadable");
  const session = await simulation.passing(auth.ready);
  assert.equal(session.status, "unknown");
  assert.equal(session.error.code, "wrong_origin");
  await assert.rejects(simulation.passing(simulation.tab({}, { cut: true }).signIn({ username: "a", password: "b" })), code("offline"));
});

test("blocked cookies are found out at once across sites", async () => {
  const simulation = new Simulation({ blocked: true });
  const auth = simulation.tab({}, { origin: "https://app.example.net" });
  await simulation.passing(auth.ready);
  await assert.rejects(simulation.passing(auth.signIn({ username: "anna", password: "secret" })), code("cookies_blocked"));
  assert.equal(auth.session.status, "signed-out");
});

test("blocked cookies are found out at the first refresh within a site", async () => {
  const simulation = new Simulation({ blocked: true });
  const auth = await simulation.signedIn();
  await simulation.pass(901_000);
  await assert.rejects(simulation.passing(auth.fetch(PROFILE)), code("cookies_blocked"));
});

test("plain http is refused, but on loopback", () => {
  const simulation = new Simulation();
  assert.throws(() => simulation.tab({ issuer: "http://auth.example.com" }), code("insecure"));
  assert.throws(() => simulation.tab({}, { secure: false }), code("insecure"));
  simulation.tab({ issuer: "http://127.0.0.1:8000" }, { origin: "http://127.0.0.1:8002" });
});

test("storage never holds more than the wish to sign out", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  assert.deepEqual([...simulation.kept], []);
  simulation.online = false;
  await assert.rejects(simulation.passing(auth.signOut()), code("offline"));
  assert.deepEqual([...simulation.kept.values()], ["signing out"]);
});

test("an aborted request does not wait for the refresh", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.now += 901_000;
  simulation.faults.push(new Promise(() => {}));
  const stop = new AbortController();
  const call = auth.fetch(PROFILE, { signal: stop.signal });
  stop.abort();
  await assert.rejects(simulation.passing(call), { name: "AbortError" });
});
