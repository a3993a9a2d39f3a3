import assert from "node:assert/strict";
import test from "node:test";
import { code, PROFILE, REFRESH, World } from "./world.js";

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
