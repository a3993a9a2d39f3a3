"""Cookies that an attacker put into the browser: tossed by a sibling host, or planted before the sign-in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.app_user import SIBLING_HOST, AppUser, a_page_of, an_app_user
from tests.support.chromium import DOMAIN
from tests.support.site import Site
from tests.support.tls_proxy import Exchange

#: Ways in which a host could write a cookie that the server takes for its own. `NAME` is the real cookie's name.
TOSSED = {
    "for all hosts": "NAME=VALUE; Domain=DOMAIN; Path=/; Secure",
    "for one path": "NAME=VALUE; Domain=DOMAIN; Path=/token; Secure",
    "for itself": "NAME=VALUE; Path=/; Secure",
    "in capitals": "__HOST-REST=VALUE; Domain=DOMAIN; Path=/; Secure",
    "without a name": "=NAME=VALUE; Domain=DOMAIN; Path=/; Secure",
    "with a blank before it": " NAME=VALUE; Domain=DOMAIN; Path=/; Secure",
    "with a tab after it": "NAME\t=VALUE; Domain=DOMAIN; Path=/; Secure",
}


@pytest.fixture
def app_user(site: Site, visitors_browser: BrowserContext) -> AppUser:
    return an_app_user(site, visitors_browser)


@pytest.mark.parametrize("form", TOSSED.values(), ids=TOSSED)
@pytest.mark.parametrize("by", ["script", "header"])
def test_no_sibling_host_plants_a_cookie_for_the_server(site: Site, app_user: AppUser, form: str, by: str):
    attacker = a_page_of(site, app_user.page.context, SIBLING_HOST)
    ((name, value),) = app_user.cookies().items()
    # A cookie without the prefix goes to all hosts of the domain. The prefix prevents that.
    _toss(site, attacker, f"other=1; Domain={DOMAIN}; Path=/; Secure", by)
    assert "other" in app_user.cookies()
    planted = form.replace("REST", name.removeprefix("__Host-")).replace("NAME", name).replace("DOMAIN", DOMAIN)
    _toss(site, attacker, planted.replace("VALUE", "planted"), by)
    assert app_user.send(app_user.page, "/token", {"grant_type": "refresh_token"}) == 200
    sent = app_user.answers("/token")[-1].headers["cookie"]
    assert f"{name}={value}" in sent.split("; ")
    assert "planted" not in sent
    assert app_user.subject() == app_user.person.id


def test_a_sibling_host_that_fills_the_jar_signs_nobody_in(site: Site, app_user: AppUser):
    """A browser keeps a limited number of cookies of a site and drops the oldest: that can only sign the user out."""
    attacker = a_page_of(site, app_user.page.context, SIBLING_HOST)
    ((name, _),) = app_user.cookies().items()
    attacker.evaluate(
        """([domain, name]) => {
            for (let n = 0; n < 400; n++) document.cookie = `filler${n}=1; Domain=${domain}; Path=/; Secure`;
            document.cookie = `${name}=planted; Domain=${domain}; Path=/; Secure`;
        }""",
        [DOMAIN, name],
    )
    attacker.wait_for_function("document.cookie.includes('filler399=')")
    assert "planted" not in app_user.cookies().values()
    answer = app_user.send(app_user.page, "/token", {"grant_type": "refresh_token"})
    assert answer == (200 if name in app_user.cookies() else 400)


def test_a_cookie_from_before_the_sign_in_is_of_no_use_after_it(
    site: Site, visitors_browser: BrowserContext, new_context: Callable[..., BrowserContext]
):
    """Fixation by an attacker who used the browser before: they know the token in its cookie, and wait."""
    client = site.a_client()
    attacker = site.setup.a_person()
    page = site.open(visitors_browser, client)
    app_user = AppUser(site, client, site.setup.a_person(), page)
    app_user.sign_in(attacker)
    planted = app_user.cookies()
    assert app_user.subject() == attacker.id
    app_user.sign_in(app_user.person)
    assert app_user.subject() == app_user.person.id
    assert app_user.cookies().keys() == planted.keys()
    assert app_user.cookies() != planted
    elsewhere = new_context(ignore_https_errors=True)
    elsewhere.add_cookies([{**one, "value": planted[one["name"]]} for one in page.context.cookies(site.issuer)])
    thief = site.open(elsewhere, client)
    # The sign-in replaced the planted cookie and ended the attacker's session.
    assert thief.evaluate("auth.session.status") == "signed-out"
    assert app_user.send(page, "/token", {"grant_type": "refresh_token"}) == 200
    assert app_user.subject() == app_user.person.id


def _toss(site: Site, page: Page, cookie: str, by: str) -> None:
    if by == "script":
        # Reading document.cookie waits until the browser has stored the cookie.
        page.evaluate("cookie => { document.cookie = cookie; return document.cookie }", cookie)
        return

    def answer(exchange: Exchange) -> bool:
        if exchange.host == SIBLING_HOST:
            exchange.answer_headers.append(("Set-Cookie", cookie))
        return True

    site.proxy.on_answer = answer
    page.reload()
    site.proxy.on_answer = lambda _: True
