"""An administrator with a phone helps a user who may not try again yet."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext

from tests.support.driving import PageDriver, sign_in
from tests.support.oauth import OAuth, Person
from tests.support.server import LiveServer

NewContext = Callable[..., BrowserContext]


def test_an_administrator_lifts_the_delay_of_a_user_who_then_signs_in(
    server: LiveServer, new_context: NewContext
) -> None:
    setup = server.setup
    administrator, person = setup.a_person(roles="administrator"), setup.a_person(username="ada")
    with server.http() as http:
        oauth = OAuth(http, setup.an_app(public=True))
        assert {oauth.sign_in(Person("", "ada", "wrong password")).status_code for _ in range(10)} == {400}
        setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
        assert oauth.sign_in(person).status_code == 429

        driver = PageDriver(new_context("phone").new_page(), server.url)
        sign_in(driver.page, server.url, administrator, to=f"/admin/users/{person.id}")
        driver.sees("no delay by strangers")
        driver.follow("Counts of this name")
        driver.heading("Throttling")
        driver.sees("10 in a row")
        driver.fill(From_the_address="127.0.0.1")
        driver.press("Find")
        driver.sees("ada, 127.0.0.0/24")
        driver.sees("waits")
        driver.press_and_confirm("Empty these counts")
        driver.sees("No attempts are counted there")
        assert oauth.sign_in(person).status_code == 200
