import assert from "node:assert/strict";
import test from "node:test";
import { code, PROFILE, REFRESH, Simulation } from "./simulation.js";

test("ten tabs that wake at once send one refresh, and all go on", async () => {
  const simulation = new Simulation();
  const tabs = [await simulation.signedIn()];
  for (let count = 1; count < 10; count++) {
    tabs.push(simulation.tab());
    await simulation.passing(tabs.at(-1).ready);
  }
  simulation.now += 901_000; // asleep: no timer rang
  simulation.log.length = 0;
  const answers = await simulation.passing(Promise.all(tabs.map((auth) => auth.fetch(PROFILE))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
  assert.equal(simulation.count(REFRESH), 1);
  assert.equal(simulation.count("GET /profile"), 10);
});

test("ten tabs without Web Locks all go on", async () => {
  const simulation = new Simulation();
  const tabs = [await simulation.signedIn({}, { locks: undefined })];
  for (let count = 1; count < 10; count++) {
    tabs.push(simulation.tab({}, { locks: undefined }));
    await simulation.passing(tabs.at(-1).ready);
  }
  simulation.now += 901_000;
  const answers = await simulation.passing(Promise.all(tabs.map((auth) => auth.fetch(PROFILE))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
});

test("a sign-in in one tab signs all tabs in", async () => {
  const simulation = new Simulation();
  const other = simulation.tab();
  await simulation.passing(other.ready);
  await simulation.signedIn();
  await simulation.pass(10);
  assert.deepEqual(other.events, ["signed-out", "signed-in"]);
  assert.equal((await simulation.passing(other.fetch(PROFILE))).status, 200);
});

test("a sign-out in one tab signs all tabs out before the server has answered", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  const other = simulation.tab();
  await simulation.passing(other.ready);
  let answer;
  simulation.faults.push(new Promise((resolve) => (answer = resolve)));
  const done = auth.signOut();
  await simulation.pass(10);
  assert.equal(other.session.status, "signed-out");
  assert.ok(simulation.cookie);
  answer();
  await done;
  assert.equal(simulation.cookie, undefined);
  assert.equal(auth.session.reason, "signed_out");
});

test("a refresh that is answered after the sign-out does not sign in again", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn({}, { locks: undefined });
  const other = simulation.tab({}, { locks: undefined });
  await simulation.passing(other.ready);
  let answer;
  simulation.end();
  simulation.faults.push(new Promise((resolve) => (answer = resolve)));
  const slow = other.fetch(PROFILE).then(() => "answered", (error) => error.code);
  await simulation.pass(10);
  await auth.signOut();
  simulation.cookie = "session-late";
  simulation.sessions.set("session-late", "anna");
  await simulation.pass(10);
  answer();
  assert.equal(await simulation.passing(slow), "signed_out");
  assert.equal(other.session.status, "signed-out");
  assert.equal(auth.session.status, "signed-out");
});

test("without locks a sign-in counts more than the late answer to a refresh from before it, however slow the news", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn({}, { locks: undefined });
  const other = simulation.tab({}, { locks: undefined });
  await simulation.passing(other.ready);
  simulation.sessions.set("session-renewed", "anna").delete(simulation.cookie);
  simulation.cookie = "session-renewed";
  let answer;
  simulation.faults.push({ late: new Promise((resolve) => (answer = resolve)) });
  const call = other.fetch(PROFILE);
  await simulation.pass(10);
  simulation.mail = [];
  await simulation.passing(auth.signIn({ username: "eve", password: "secret" }));
  await simulation.pass(10);
  answer();
  await simulation.passing(call);
  const { mail } = simulation;
  simulation.mail = undefined;
  for (const deliver of mail) deliver();
  for (const tab of [auth, other]) {
    assert.equal((await (await simulation.passing(tab.fetch(PROFILE))).json()).user, "eve");
  }
});

test("a sign-out that does not reach the server is finished by the next page", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.online = false;
  await assert.rejects(simulation.passing(auth.signOut()), code("offline"));
  assert.equal(auth.session.status, "signed-out");
  auth.close();
  simulation.online = true;
  const next = simulation.tab();
  assert.equal((await simulation.passing(next.ready)).status, "signed-out");
  assert.equal(simulation.cookie, undefined);
  assert.equal(simulation.sessions.size, 0);
  assert.equal(simulation.kept.size, 0);
});

test("a sign-out that does not reach the server is finished when the network is back", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  simulation.online = false;
  await assert.rejects(simulation.passing(auth.signOut()), code("offline"));
  simulation.online = true;
  simulation.wake();
  await simulation.pass(10);
  assert.equal(simulation.sessions.size, 0);
  assert.deepEqual(auth.events, ["signed-out", "offline", "online"]);
});

test("a request of one user is not repeated as another", async () => {
  const simulation = new Simulation();
  const auth = await simulation.signedIn();
  const other = simulation.tab();
  await simulation.passing(other.ready);
  simulation.sessions.delete(simulation.cookie);
  let answer;
  simulation.faults.push(new Promise((resolve) => (answer = resolve)));
  const call = other.fetch(PROFILE, { method: "POST", body: "pay" }); // its 401 waits for the refresh
  await simulation.pass(10);
  answer();
  const signingIn = auth.signIn({ username: "eve", password: "secret" });
  const outcome = await simulation.passing(call.then(() => "repeated", (error) => error.code));
  await simulation.passing(signingIn);
  assert.ok(["signed_out", "session_changed"].includes(outcome), outcome);
  assert.equal(simulation.count("POST /profile"), 1);
});
