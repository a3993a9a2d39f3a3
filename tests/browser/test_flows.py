"""The four ways to stay signed in, each as it is told: in a real Chromium, against live servers on hosts of one site."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from tests.support.site import Site


def test_a_page_signs_in_calls_an_api_and_stays_signed_in_when_it_is_loaded_again(
    site: Site, visitors_browser: BrowserContext
):
    person = site.stage.a_person()
    page = site.open(visitors_browser)
    page.evaluate("([username, password]) => auth.signIn({username, password})", [person.username, person.password])
    got = page.evaluate("async api => (await auth.fetch(api + '/profile')).json()", site.api)
    assert got["sub"] == person.id
    site.start(page)
    assert page.evaluate("auth.session.status") == "signed-in"
