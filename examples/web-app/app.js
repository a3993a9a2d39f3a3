// The page. It follows the session's events, so every tab shows the same. It never sees the refresh token.

import { AuthClient, AuthError } from "/authserver-browser.js";

const settings = await (await fetch("/settings.json")).json();
const auth = new AuthClient({ issuer: settings.issuer, clientId: settings.clientId, apis: [settings.api] });
const $ = (id) => document.getElementById(id);
const PROFILE = `${settings.api}/profile`;
let renewals = 0;

function show() {
  const { status, reason, error, offline } = auth.session;
  $("sign-in").hidden = status !== "signed-out";
  $("signed-in").hidden = status !== "signed-in";
  const words = {
    unknown: error?.message ?? "Checking whether you are signed in …",
    "signed-in": offline ? "You are signed in. The server cannot be reached just now." : "You are signed in.",
    "signed-out": reason === "signed_out" ? "You are signed out." : "You are not signed in.",
  };
  $("who").textContent = words[status];
}

/** Runs the work of a button once at a time, and shows a failure as text. */
async function act(button, work) {
  button.disabled = true;
  $("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    // The user signed out: the page shows that already.
    if (!(error instanceof AuthError && error.code === "signed_out")) {
      $("problem").textContent = error instanceof AuthError ? error.message : "The API cannot be reached. Try again.";
      $("problem").hidden = false;
    }
  } finally {
    button.disabled = false;
  }
}

async function profile(init) {
  const response = await auth.fetch(PROFILE, init);
  if (!response.ok) {
    throw new AuthError("refused", { status: response.status, description: `the API answers ${response.status}` });
  }
  const { display_name: name, sub } = await response.json();
  $("profile").textContent = `${name ?? "No display name yet"} (user ${sub})`;
  $("display-name").value = name ?? "";
}

async function sessions() {
  const listed = await auth.sessions.list();
  $("sessions").replaceChildren(...listed.map(row));
}

function row(session) {
  const item = document.createElement("li");
  const name = session.device_name ?? session.client_name;
  item.append(session.current ? `${name} (this browser)` : name);
  const detail = document.createElement("small");
  const used = new Date(session.last_used_at ?? session.created_at).toLocaleString();
  detail.textContent = [`last used ${used}`, session.address, session.user_agent].filter(Boolean).join(" · ");
  item.append(detail);
  if (!session.current) {
    const end = document.createElement("button");
    end.textContent = "Sign out there";
    end.setAttribute("aria-label", `Sign out there: ${name}, last used ${used}`);
    end.addEventListener("click", () => act(end, () => auth.sessions.end(session.id).then(sessions)));
    item.append(end);
  }
  return item;
}

function leave(button, options) {
  return act(button, async () => {
    await auth.signOut(options);
    $("username").focus();
  });
}

function welcome() {
  show();
  if (auth.session.status === "signed-in") {
    act($("load"), () => Promise.all([profile(), sessions()]));
  }
}

auth.addEventListener("signed-in", welcome);
auth.addEventListener("signed-out", () => {
  $("profile").textContent = "";
  $("display-name").value = "";
  $("sessions").replaceChildren();
  show();
});
auth.addEventListener("refreshed", () => ($("renewals").textContent = String(++renewals)));
auth.addEventListener("offline", show);
auth.addEventListener("online", show);

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  act(event.submitter, async () => {
    await auth.signIn({ username: form.get("username"), password: form.get("password"), deviceName: "Example app" });
    event.target.reset();
    // The form is gone: move the keyboard's focus to the top of the new content.
    $("profile-title").focus();
  });
});
$("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = JSON.stringify({ display_name: $("display-name").value });
  act(event.submitter, () => profile({ method: "PUT", headers: { "Content-Type": "application/json" }, body }));
});
$("load").addEventListener("click", () => act($("load"), () => profile()));
$("end-others").addEventListener("click", () => act($("end-others"), () => auth.sessions.endOthers().then(sessions)));
$("sign-out").addEventListener("click", () => leave($("sign-out")));
$("sign-out-everywhere").addEventListener("click", () => leave($("sign-out-everywhere"), { everywhere: true }));

setInterval(() => {
  const seconds = Math.max(0, Math.round((auth.session.expiresAt - Date.now()) / 1000));
  $("countdown").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}, 500);

await auth.ready;
show();
