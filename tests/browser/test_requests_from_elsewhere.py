"""Foreign pages cannot refresh, sign in or sign out for an app's user. The app's own page can."""

from __future__ import annotations

import html
import json

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.app_user import ELSEWHERE, SEND, AppUser, a_page_of, acts, an_app_user
from tests.support.site import Site

ACTS = ["refresh", "sign-in", "sign-out"]


@pytest.fixture
def app_user(site: Site, visitors_browser: BrowserContext) -> AppUser:
    return an_app_user(site, visitors_browser)


@pytest.mark.parametrize("host", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("act", ACTS)
def test_no_script_of_another_origin_acts_for_the_user(site: Site, app_user: AppUser, act: str, host: str):
    """This covers login CSRF: the sign-in uses the attacker's own password."""
    path, form = acts(site.setup.a_person())[act]
    attacker = a_page_of(site, app_user.page.context, host)
    before = app_user.state()
    assert app_user.send(attacker, path, form, "cors") == "unreadable"
    assert app_user.send(attacker, path, form, "no-cors") == "opaque"
    tried = app_user.answers(path)[-2:]
    assert [one.status for one in tried] == [403, 403]
    for one in tried:
        assert not {"access-control-allow-origin", "set-cookie"} & {name.lower() for name, _ in one.answer_headers}
        # If the browser sends the cookie, only the origin check refuses the request.
        assert ("cookie" in one.headers) == (host == ELSEWHERE["a sibling host"])
    assert app_user.state() == before
    assert app_user.send(app_user.page, path, form) == 200
    assert app_user.state() != before


@pytest.mark.parametrize("host", [*ELSEWHERE.values(), "app"], ids=[*ELSEWHERE, "the app itself"])
@pytest.mark.parametrize("act", ACTS)
def test_no_form_acts_for_the_user(site: Site, app_user: AppUser, act: str, host: str):
    """This includes a form in the app's own pages: its answer would show a token on the screen."""
    path, form = acts(site.setup.a_person())[act]
    attacker = a_page_of(
        site, app_user.page.context, app_user.page.url.split("/")[2].split(":")[0] if host == "app" else host
    )
    before = app_user.state()
    answer = _submit(attacker, site.issuer + path, {"client_id": app_user.client_id, **form})
    assert answer == 403
    assert app_user.state() == before
    assert app_user.send(app_user.page, path, form) == 200


@pytest.mark.parametrize("act", ACTS)
def test_no_page_without_an_origin_acts_for_the_user(site: Site, app_user: AppUser, act: str):
    """In a sandbox or from a `data:` address, inside the app's own page: both have the origin `null`."""
    path, form = acts(site.setup.a_person())[act]
    request = [site.issuer + path, {"client_id": app_user.client_id, **form}, "cors"]
    before = app_user.state()
    for frame in ("sandbox='allow-scripts' srcdoc", "src"):
        assert _from_a_frame(app_user.page, frame, request) == "unreadable"
        tried = app_user.answers(path)[-1]
        assert (tried.headers["origin"], tried.status) == ("null", 403)
    assert app_user.state() == before
    # The same frame without a sandbox and with the app's address belongs to the app.
    assert _from_a_frame(app_user.page, "srcdoc", request) == 200


@pytest.mark.parametrize("host", ELSEWHERE.values(), ids=ELSEWHERE)
def test_cors_answers_the_registered_origin_and_no_other(site: Site, app_user: AppUser, host: str):
    token = "Bearer " + json.loads(site.proxy.seen("password")[-1].answer)["access_token"]
    ask = """([url, headers, credentials]) => fetch(url, { headers, credentials }).then(
        answer => answer.status, () => "unreadable")"""
    attacker = a_page_of(site, app_user.page.context, host)
    sessions = [f"{site.issuer}/sessions", {"Authorization": token}, "include"]
    assert app_user.page.evaluate(ask, sessions) == 200
    assert attacker.evaluate(ask, sessions) == "unreadable"
    *_, preflight = app_user.answers("/sessions")
    # The preflight of the browser got no permission, so the browser sent nothing.
    assert preflight.method == "OPTIONS"
    assert "access-control-allow-origin" not in {name.lower() for name, _ in preflight.answer_headers}
    # Tracing in the page adds its headers to every request. No other header passes.
    for headers in (
        {"sentry-trace": "1-2"},
        {"traceparent": "00-1-2-01", "x-datadog-trace-id": "7", "X-B3-TraceId": "1"},
    ):
        assert app_user.page.evaluate(ask, [sessions[0], {"Authorization": token, **headers}, "include"]) == 200
        assert attacker.evaluate(ask, [sessions[0], {"Authorization": token, **headers}, "include"]) == "unreadable"
        assert attacker.evaluate(ask, [f"{site.issuer}/.well-known/jwks.json", headers, "omit"]) == 200
    assert (
        app_user.page.evaluate(ask, [sessions[0], {"Authorization": token, "x-evil": "1"}, "include"]) == "unreadable"
    )
    # Public documents are open to every page, but without cookies.
    for path in ("/.well-known/oauth-authorization-server", "/.well-known/jwks.json"):
        assert attacker.evaluate(ask, [site.issuer + path, {}, "omit"]) == 200
        assert attacker.evaluate(ask, [site.issuer + path, {}, "include"]) == "unreadable"


def _submit(page: Page, action: str, fields: dict[str, str]) -> int:
    """Post a form as a click does; returns the status of the next page."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in fields.items()
    )
    page.set_content(f'<form method="post" action="{html.escape(action)}">{hidden}<button>Win a prize</button></form>')
    with page.expect_navigation(url=action) as navigation:
        page.get_by_role("button").click()
    return navigation.value.status


def _from_a_frame(page: Page, attribute: str, request: list[object]) -> object:
    """Send a request from a script in a frame of the page; returns what the frame learns of the answer."""
    return page.evaluate(
        """([attribute, send, request]) => new Promise(resolve => {
            addEventListener("message", ({ data }) => resolve(data.answer), { once: true });
            const text = `<script>(${send})(${JSON.stringify(request)}).then(
                answer => parent.postMessage({ answer }, "*"))</` + "script>";
            const quoted = text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
            const value = attribute === "src" ? "data:text/html," + encodeURIComponent(text) : quoted;
            document.body.insertAdjacentHTML("beforeend", `<iframe ${attribute}="${value}"></iframe>`);
        })""",
        [attribute, SEND, request],
    )
