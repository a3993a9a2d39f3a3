"""A foreign script in the app's own page (XSS): which secrets it finds, and what the page fetches for it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext

from tests.support.app_user import AppUser, an_app_user
from tests.support.site import Site

#: Looks for texts in everything that a script can read, and names the places where it finds one.
_SEARCH = """async (texts) => {
    const found = new Set(), seen = new Set();
    const look = (place, value) => texts.forEach(text => String(value).includes(text) && found.add(place));
    for (const [name, storage] of Object.entries({ localStorage, sessionStorage }))
        for (let n = 0; n < storage.length; n++) look(name, storage.key(n) + storage.getItem(storage.key(n)));
    look("document.cookie", document.cookie);
    look("cookieStore", JSON.stringify(await cookieStore.getAll()));
    look("address", location.href + document.referrer + window.name + JSON.stringify(history.state));
    look("markup", document.documentElement.outerHTML);
    look("timings", JSON.stringify(performance.getEntries()));
    for (const { name, version } of await indexedDB.databases()) {
        const done = request => new Promise((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        const database = await done(indexedDB.open(name, version));
        for (const store of database.objectStoreNames)
            look("indexedDB", JSON.stringify(await done(database.transaction(store).objectStore(store).getAll())));
        database.close();
    }
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const answer of await cache.matchAll()) look("caches", await answer.text());
    }
    const walk = (value, place, depth) => {
        if (typeof value === "string") look(place, value);
        if (value === null || !["object", "function"].includes(typeof value) || seen.has(value) || depth > 12) return;
        seen.add(value);
        if (typeof value === "function") look(place, value);
        for (let owner = value; owner; owner = Object.getPrototypeOf(owner))
            for (const key of Reflect.ownKeys(owner)) {
                let inner;
                try { inner = value[key]; } catch { continue; }
                walk(inner, `${place}.${String(key)}`, depth + 1);
            }
    };
    walk(window, "window", 0);
    if (!seen.has(window.auth)) throw new Error("the walk did not come to the module");
    return [...found];
}"""
#: Puts a secret where careless apps do.
_CARELESS = """async (secret) => {
    localStorage.setItem("token", secret);
    document.cookie = `token=${secret}; Path=/; Secure`;
    window.app = { session: { tokens: [secret] } };
    const database = await new Promise(resolve => {
        const request = indexedDB.open("app");
        request.onupgradeneeded = () => request.result.createObjectStore("tokens");
        request.onsuccess = () => resolve(request.result);
    });
    const writing = database.transaction("tokens", "readwrite");
    writing.objectStore("tokens").put({ secret }, "refresh");
    await new Promise(resolve => { writing.oncomplete = resolve; });
    database.close();
}"""
#: Makes the page refresh, and notes everything that a script can see of it.
_SPY = """async ([issuer, clientId, otherClient]) => {
    const heard = [], send = window.fetch;
    window.fetch = async (...given) => {
        const answer = await send(...given);
        heard.push([...answer.headers].join(), await answer.clone().text());
        return answer;
    };
    const channel = new BroadcastChannel(`authserver ${issuer} ${clientId} 1`);
    const news = new Promise(resolve => {
        channel.onmessage = ({ data }) => { heard.push(JSON.stringify(data)); resolve(); };
    });
    channel.postMessage({ ask: true });
    await news;
    await auth.sessions.list();
    for (const path of ["/token", "/revoke", "/introspect"])
        for (const client_id of [clientId, otherClient]) {
            if (path === "/revoke" && client_id === clientId) continue;
            const body = new URLSearchParams({ client_id, grant_type: "refresh_token" });
            await fetch(issuer + path, { method: "POST", credentials: "include", body }).catch(() => {});
        }
    channel.close();
    window.fetch = send;
    return heard;
}"""


@pytest.fixture
def app_user(site: Site, visitors_browser: BrowserContext) -> AppUser:
    return an_app_user(site, visitors_browser)


def test_no_script_finds_a_token_by_looking(site: Site, app_user: AppUser):
    (refresh_token,) = app_user.cookies().values()
    access_token = json.loads(site.proxy.seen("password")[-1].answer)["access_token"]
    assert app_user.subject() == app_user.person.id
    assert app_user.page.evaluate(_SEARCH, ["asrt_", refresh_token, access_token]) == []
    # The same search finds the secrets of a careless app.
    app_user.page.evaluate(_CARELESS, "asrt_careless")
    places = set(app_user.page.evaluate(_SEARCH, ["asrt_careless"]))
    assert places >= {"localStorage", "document.cookie", "cookieStore", "indexedDB", "window.app.session.tokens.0"}


def test_a_script_that_stays_gets_access_tokens_and_never_the_refresh_token(site: Site, app_user: AppUser):
    """No delivery can prevent this (docs/browsers.md). The stolen access tokens are good for minutes."""
    other = site.a_client(token_delivery="json", origins=frozenset())
    before = set(app_user.cookies().values())
    heard = "\n".join(app_user.page.evaluate(_SPY, [site.issuer, app_user.client_id, other]))
    answers = [exchange for exchange in app_user.answers("/token") if exchange.is_a("refresh_token")]
    assert json.loads(answers[-2].answer)["access_token"] in heard
    # A client that gets its tokens in a body cannot use the cookie.
    assert answers[-1].form["client_id"] == other
    assert answers[-1].status == 400
    for token in before | set(app_user.cookies().values()):
        assert token.startswith("asrt_")
        assert token not in heard
    assert "asrt_" not in heard
