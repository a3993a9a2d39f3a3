"""Known devices: strangers and neighbours never delay them, and they vouch for their user alone."""

from __future__ import annotations

from typing import Any

import pytest

from authserver.refusals.reasons import Reason
from tests.support.guesses import ELSEWHERE, FREE, HOME, NEW, Browsers, From, attack, fill, statuses
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.snapshot import contents
from tests.support.token_answer import reason, token_answer
from tests.support.visitor import Visitor

DAY = 86_400_000


def signed_in_before(browser: Visitor, person: Person) -> Visitor:
    """The browser of a user who has signed in with it and out again."""
    assert browser.sign_in(person).status_code == 303
    browser.get("/account/")
    assert browser.submit("/account/sign-out").status_code == 303
    return browser


def fill_address(setup: Setup, address: OAuth) -> None:
    """Three hundred failures from one address, as from a NAT with one bad machine."""
    assert statuses(address, "name-1", 1) == [400]
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 310 * 10000 WHERE kind = 1")


def forget_places(setup: Setup) -> None:
    """So that only the device is known."""
    setup.sql("DELETE FROM known_places")


def device_cookie(browser: Visitor) -> str:
    return browser.http.cookies["authserver-device"]


def test_a_full_address_and_an_attack_delay_no_browser_that_its_user_has_signed_in_with(
    browser_at: Browsers, from_address: From, person: Person, setup: Setup
):
    own, other = signed_in_before(browser_at(HOME), person), browser_at(HOME)
    forget_places(setup)
    fill_address(setup, from_address(HOME))
    attack(setup, from_address, person)
    assert other.sign_in(person).status_code == 429
    assert browser_at(NEW).sign_in(person).status_code == 429
    assert own.sign_in(person).status_code == 303


def test_a_full_address_and_an_attack_delay_no_app_that_holds_a_refresh_token(
    from_address: From, person: Person, setup: Setup
):
    app = from_address(HOME)
    token = token_answer(app.sign_in(person)).refresh_token
    forget_places(setup)
    fill_address(setup, from_address(HOME))
    attack(setup, from_address, person)
    assert app.sign_in(person).status_code == 429
    assert from_address(NEW).sign_in(person).status_code == 429
    assert app.sign_in(person, refresh_token=token).status_code == 200
    assert app.sign_in(person).status_code == 429, "its success has not emptied the address"


def test_a_backend_may_vouch_for_the_devices_of_its_users(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.sign_in(person)).refresh_token
    assert statuses(oauth, person.username, FREE) == [400] * FREE
    fill(setup, kinds="8")
    refused = oauth.sign_in(person)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60, "one person delays the others not for long"
    assert reason(setup, refused) is Reason.THROTTLED_BACKEND
    assert oauth.sign_in(person, refresh_token=token).status_code == 200


def test_failures_on_a_known_device_are_counted_against_it_alone(
    browser_at: Browsers, from_address: From, person: Person, setup: Setup
):
    thief = signed_in_before(browser_at(HOME), person)
    wrong = Person("", person.username, "wrong password")
    before = setup.sql("SELECT * FROM throttle_strangers")
    for _ in range(FREE):
        assert thief.sign_in(wrong).status_code == 403
    fill(setup, kinds="7")
    assert thief.sign_in(person).status_code == 429
    app = from_address(ELSEWHERE)
    token = token_answer(app.sign_in(person)).refresh_token
    form = {"grant_type": "password", "username": person.username, "password": "wrong password"}
    assert [app.token(**form, refresh_token=token).status_code for _ in range(FREE)] == [400] * FREE
    fill(setup, kinds="7")
    refused = app.token(**form, refresh_token=token)
    assert refused.status_code == 429
    assert reason(setup, refused) is Reason.THROTTLED_DEVICE
    assert app.sign_in(person).status_code == 200, "another device"
    assert setup.sql("SELECT failures FROM throttle_strangers") == [(row.failures,) for row in before]


def test_the_cookie_of_another_user_or_of_an_earlier_password_is_as_good_as_none(
    browser_at: Browsers, from_address: From, person: Person, setup: Setup
):
    other = setup.a_person()
    browser = signed_in_before(browser_at(HOME), other)
    earlier = signed_in_before(browser_at(HOME), person)
    attack(setup, from_address, person)
    forget_places(setup)
    assert earlier.sign_in(person).status_code == 303
    assert earlier.get("/account/").status_code == 200
    old = device_cookie(earlier)
    earlier.get("/account/password")
    new = {"old_password": person.password, "new_password": "a horse of 1884", "repeated_password": "a horse of 1884"}
    assert earlier.submit("/account/password", new).status_code == 303
    person = Person(person.id, person.username, "a horse of 1884")
    attack(setup, from_address, person)
    forget_places(setup)
    assert browser.sign_in(person).status_code == 429
    stale = browser_at(HOME)
    for value in (old, old[:-1] + ("A" if old[-1] != "A" else "B"), "nonsense"):
        stale.http.cookies.set("authserver-device", value)
        assert stale.sign_in(person).status_code == 429, value
    stale.http.cookies.clear()
    stale.http.cookies.set("authserver-device", device_cookie(earlier))
    assert stale.sign_in(person).status_code == 303, "the browser of the change has a new one"


def test_the_cookie_is_hidden_from_pages_and_stays_for_a_year(browser_at: Browsers, person: Person):
    browser = browser_at(HOME)
    answer = browser.sign_in(person)
    (written,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith("authserver-device=")]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"} <= set(written.split("; "))
    first = device_cookie(browser)
    assert person.id not in first
    browser.get("/account/")
    browser.submit("/account/sign-out")
    assert browser.sign_in(person).status_code == 303
    assert device_cookie(browser) == first, "it goes on after a sign-out, and so does its count"
    assert device_cookie(signed_in_before(browser_at(HOME), person)) != first


@pytest.fixture
def attacked(from_address: From, person: Person, setup: Setup) -> tuple[OAuth, str]:
    """An app with its refresh token, whose user is attacked and has no known place any more."""
    app = from_address(HOME)
    token = token_answer(app.sign_in(person)).refresh_token
    attack(setup, from_address, person)
    forget_places(setup)
    return app, token


@pytest.mark.parametrize(
    "end",
    [
        "revoked_because = 'reuse', revoked_at = last_used_at",
        "revoked_because = 'ended_by_user', revoked_at = last_used_at",
        f"revoked_because = 'signed_out', revoked_at = last_used_at - 91 * {DAY}",
        f"idle_expires_at = last_used_at - 91 * {DAY}",
        "client_id = 'another'",
        "client_epoch = -1",
        "previous_digest = NULL, current_digest = previous_digest",
    ],
)
def test_a_refresh_token_that_vouches_for_nothing_changes_no_answer(
    attacked: tuple[OAuth, str], person: Person, setup: Setup, end: str
):
    app, token = attacked
    setup.sql(f"UPDATE sessions SET {end}")
    assert app.sign_in(person, refresh_token=token).status_code == 429
    setup.sql("UPDATE throttle_strangers SET failures = 0")
    assert app.sign_in(person, refresh_token=token).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        f"revoked_because = 'signed_out', revoked_at = last_used_at - 89 * {DAY}",
        f"idle_expires_at = last_used_at - 89 * {DAY}",
        "previous_digest = current_digest, current_digest = NULL",
    ],
)
def test_a_refresh_token_of_a_session_that_is_over_for_a_while_still_tells_a_device(
    attacked: tuple[OAuth, str], person: Person, setup: Setup, end: str
):
    app, token = attacked
    setup.sql(f"UPDATE sessions SET {end}")
    assert app.sign_in(person, refresh_token=token).status_code == 200


def test_a_sign_in_reads_a_refresh_token_and_does_nothing_else_with_it(
    from_address: From, person: Person, setup: Setup
):
    app, other = from_address(HOME), setup.a_person()
    first = token_answer(app.sign_in(person)).refresh_token
    second = token_answer(app.refresh(first)).refresh_token
    third = token_answer(app.refresh(second)).refresh_token
    before = contents(setup)
    form: dict[str, Any] = {"grant_type": "password", "username": other.username, "password": "wrong password"}
    answers = {
        (answer.status_code, answer.json()["error"], answer.json()["error_description"])
        for token in (first, second, third, third[:-1] + "_", "nonsense", "")
        if (answer := app.token(**form, refresh_token=token)) is not None
    }
    assert len(answers) == 1, answers
    assert contents(setup) == before
    assert app.refresh(third).status_code == 200
