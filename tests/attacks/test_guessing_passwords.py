"""Guesses at passwords, secrets and links: how many are checked, and who is delayed by them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from authserver.refusals.reasons import Reason
from authserver.users import links
from authserver.users.links import store
from tests.support.console import an_administrator
from tests.support.guesses import ELSEWHERE, FREE, HOME, NEW, From, fill, statuses
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import reason
from tests.support.visitor import Visitor


def test_guesses_from_one_place_are_delayed_and_the_right_password_is_not_checked_meanwhile(
    from_address: From, person: Person, setup: Setup
):
    attacker = from_address(ELSEWHERE)
    assert from_address(NEW).sign_in(person).status_code == 200
    assert statuses(attacker, person.username, FREE) == [400] * FREE
    fill(setup)
    refused = attacker.sign_in(person)
    assert refused_as(refused, "temporarily_unavailable", 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 900
    assert "Retry-After" in refused.json()["error_description"]
    assert reason(setup, refused) is Reason.THROTTLED_PLACE
    setup.sql("UPDATE throttle_buckets SET charged_at = charged_at - 900000, empty_at = empty_at - 900000")
    assert attacker.sign_in(person).status_code == 200, "the delay is over, and nobody is locked"
    assert statuses(attacker, person.username, FREE) == [400] * FREE, "a success begins anew"


def test_a_refusal_by_the_throttle_is_recorded_with_its_reason(from_address: From, person: Person, setup: Setup):
    assert statuses(from_address(ELSEWHERE), person.username, 1) == [400]
    fill(setup)
    refused = from_address(ELSEWHERE).sign_in(person)
    assert refused.status_code == 429
    wrong, throttled = setup.events("sign_in.refused")
    assert ("wrong_password" in wrong.detail, "throttled_place" in throttled.detail) == (True, True)
    assert throttled.reference == refused.json()["reference"]


def test_an_unknown_name_is_delayed_as_a_known_one(from_address: From, person: Person, setup: Setup):
    answers = []
    for name in (person.username, "nobody", "nobody@example.com"):
        attacker = from_address(ELSEWHERE)
        seen = statuses(attacker, name, FREE)
        fill(setup)
        last = attacker.token(grant_type="password", username=name, password="wrong password")
        body = last.json()
        answers.append((seen, last.status_code, body["error"], body["error_description"], len(body["reference"])))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][:2] == ([400] * FREE, 429)


@pytest.mark.parametrize("spelling", ["{}", "  {} ", "{upper}"])
def test_another_spelling_of_a_name_is_the_same_account(
    from_address: From, person: Person, setup: Setup, spelling: str
):
    name = spelling.format(person.username, upper=person.username.upper())
    assert from_address(ELSEWHERE).sign_in(Person("", name, person.password)).status_code == 200
    assert statuses(from_address(ELSEWHERE), person.username, FREE) == [400] * FREE
    fill(setup)
    assert statuses(from_address(ELSEWHERE), name, 1) == [429]


@pytest.mark.parametrize("neighbour", ["198.51.100.200", "::ffff:198.51.100.7"])
def test_a_neighbouring_address_is_the_same_place(from_address: From, person: Person, setup: Setup, neighbour: str):
    assert statuses(from_address(ELSEWHERE), person.username, FREE) == [400] * FREE
    fill(setup)
    assert statuses(from_address(neighbour), person.username, 1) == [429]
    assert statuses(from_address(NEW), person.username, 1) == [400]


def test_an_ipv6_address_changes_its_place_with_its_64(from_address: From, person: Person, setup: Setup):
    assert statuses(from_address("2001:db8:1:2::1"), person.username, FREE) == [400] * FREE
    fill(setup)
    assert statuses(from_address("2001:db8:1:2:ffff::9"), person.username, 1) == [429]
    assert statuses(from_address("2001:db8:1:3::1"), person.username, 1) == [400]


def test_a_hundred_failures_of_strangers_delay_all_strangers_and_not_the_place_that_the_user_knows(
    from_address: From, person: Person, setup: Setup
):
    assert from_address(HOME).sign_in(person).status_code == 200, "the user's first sign-in from home"
    assert from_address(NEW).sign_in(person).status_code == 200
    for place in range(2):
        assert statuses(from_address(f"100.64.{place}.1"), person.username, FREE) == [400] * FREE
    setup.sql("UPDATE throttle_strangers SET failures = failures + 79 WHERE failures = 20")  # eight such places more
    assert statuses(from_address("100.64.3.1"), person.username, 1) == [400], "the hundredth"
    refused = from_address("100.64.99.1").sign_in(person)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 600
    assert reason(setup, refused) is Reason.THROTTLED_STRANGERS
    assert from_address(HOME).sign_in(person).status_code == 200, "at once"
    assert from_address("100.64.99.1").sign_in(person).status_code == 200, "which ends the count"


def test_a_sign_in_of_the_user_gives_strangers_no_hundred_attempts_more(
    from_address: From, person: Person, setup: Setup
):
    assert from_address(HOME).sign_in(person).status_code == 200
    for place in range(2):
        assert statuses(from_address(f"100.64.{place}.1"), person.username, FREE) == [400] * FREE
    # Eight such places more, at once.
    setup.sql("UPDATE throttle_strangers SET failures = failures + 79, empty_at = empty_at + 79 * 900000")
    assert statuses(from_address("100.64.3.1"), person.username, 1) == [400], "the hundredth"
    for round_ in range(3):
        assert from_address(HOME).sign_in(person).status_code == 200
        assert [statuses(from_address(f"100.64.{10 * round_ + n}.1"), person.username, 1) for n in range(10, 14)] == [
            [429]
        ] * 4


def test_below_a_hundred_the_first_attempts_of_a_new_place_are_not_delayed(
    from_address: From, person: Person, setup: Setup
):
    for place in range(4):
        assert statuses(from_address(f"100.64.{place}.1"), person.username, FREE) == [400] * FREE
    fill(setup)
    setup.sql("UPDATE throttle_strangers SET empty_at = empty_at + 50 * 900000, failures = 99")
    assert from_address("100.64.99.1").sign_in(person).status_code == 200


def test_one_password_for_many_names_is_delayed_by_the_address(from_address: From, person: Person, setup: Setup):
    attacker = from_address(ELSEWHERE)
    assert attacker.sign_in(person).status_code == 200
    assert [statuses(attacker, f"name-{number}", 1) for number in range(3)] == [[400]] * 3
    (row,) = setup.sql("SELECT * FROM throttle_buckets WHERE kind = 1")
    assert 20_000 < row.empty_at - row.charged_at <= 30_000, "three failures; the success has its charge back"
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 310 * 10000 WHERE kind = 1")
    refused = attacker.sign_in(person)
    assert refused.status_code == 429
    assert reason(setup, refused) is Reason.THROTTLED_ADDRESS
    assert from_address(NEW).sign_in(person).status_code == 200


def test_users_behind_a_confidential_client_are_not_throttled_as_one(oauth: OAuth, person: Person, setup: Setup):
    assert [statuses(oauth, f"name-{number}", 1) for number in range(40)] == [[400]] * 40
    assert setup.sql("SELECT * FROM throttle_buckets WHERE kind = 1") == []
    assert oauth.sign_in(person).status_code == 200


def test_a_client_that_sends_its_users_address_has_places(oauth: OAuth, person: Person, setup: Setup):
    sender = oauth.as_app(setup.an_app(sends_user_address=True))
    assert sender.sign_in(person, user_address=NEW).status_code == 200
    wrong = Person("", person.username, "wrong password")
    for _ in range(FREE):
        assert sender.sign_in(wrong, user_address=ELSEWHERE).status_code == 400
    fill(setup)
    assert sender.sign_in(person, user_address=ELSEWHERE).status_code == 429
    assert sender.sign_in(person, user_address=NEW).status_code == 200
    broken = sender.sign_in(person, user_address="at home")
    assert refused_as(broken, "invalid_request")
    assert "user_address" in broken.json()["error_description"]


def test_a_public_client_cannot_choose_the_address_that_its_guesses_are_counted_at(
    from_address: From, person: Person, setup: Setup
):
    attacker = from_address(ELSEWHERE)
    form = {"grant_type": "password", "username": person.username, "password": "wrong password"}
    assert attacker.sign_in(person, user_address=NEW).status_code == 200
    assert [attacker.token(**form, user_address=f"100.64.{n}.1").status_code for n in range(FREE)] == [400] * FREE
    fill(setup)
    assert attacker.token(**form, user_address="100.64.99.1").status_code == 429


def test_a_public_client_full_of_failures_delays_no_other_user(from_address: From, person: Person):
    attacker = from_address(ELSEWHERE)
    assert [statuses(attacker, f"name-{number}", 1) for number in range(40)] == [[400]] * 40
    assert from_address(NEW).sign_in(person).status_code == 200


def test_wrong_client_secrets_are_delayed_and_a_right_one_never(oauth: OAuth, setup: Setup):
    assert oauth.own_token().status_code == 200
    for client_id in (oauth.app.client_id, "unknown"):
        wrong = oauth.as_app(App(client_id, "ascs_wrong"))
        assert [wrong.own_token().status_code for _ in range(30)] == [401] * 30
        fill(setup)
        before = setup.sql("SELECT * FROM throttle_buckets ORDER BY kind, slot")
        refused = wrong.own_token()
        assert refused_as(refused, "temporarily_unavailable", 429)
        assert reason(setup, refused) is Reason.THROTTLED_CLIENT
        assert setup.sql("SELECT * FROM throttle_buckets ORDER BY kind, slot") == before
    assert oauth.own_token().status_code == 200, "the right secret, from the same address"


def test_the_sign_in_page_says_how_long_to_wait(visitor: Visitor, person: Person, setup: Setup):
    wrong = Person("", person.username, "wrong password")
    for _ in range(FREE):
        assert visitor.sign_in(wrong).status_code == 403
    fill(setup)
    page = visitor.sign_in(person)
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 120
    assert "Wait 15 minutes, then try again." in page.text
    setup.sql("UPDATE throttle_buckets SET empty_at = 0")
    assert visitor.sign_in(person).status_code == 303


def test_a_person_at_an_open_browser_cannot_guess_its_users_password(visitor: Visitor, setup: Setup):
    person = an_administrator(setup)
    visitor.sign_in(person)
    form = {"old_password": "wrong password", "new_password": "another horse 1", "repeated_password": "another horse 1"}
    for _ in range(FREE):
        visitor.get("/account/password")
        assert visitor.submit("/account/password", form).status_code == 422
    fill(setup)
    visitor.get("/account/password")
    page = visitor.submit("/account/password", {**form, "old_password": person.password})
    assert page.status_code == 429
    assert "Wait 15 minutes" in page.text
    for path in ("/account/confirm", f"/admin/users/{setup.a_person().id}/disable"):
        typed = {"csrf_token": visitor.token_of("/account/data"), "confirm_password": person.password}
        page = visitor.post(path, typed)
        assert (page.status_code, "Wait 15 minutes" in page.text) == (429, True), path
        assert int(page.headers["retry-after"]) > 600
    setup.sql("UPDATE throttle_buckets SET empty_at = 0")
    visitor.get("/account/password")
    assert visitor.submit("/account/password", {**form, "old_password": person.password}).status_code == 303


def test_wrong_links_are_delayed_and_one_that_works_never(visitor: Visitor, person: Person, setup: Setup):
    for _ in range(30):
        assert visitor.get("/account/password/wrong").status_code == 410
    fill(setup)
    page = visitor.get("/account/password/wrong")
    assert page.status_code == 429
    assert "Wait 15 minutes" in page.text
    assert _a_link(setup, person, visitor) == 200


def _a_link(setup: Setup, person: Person, visitor: Visitor) -> Any:
    """The status of the page of a link that works."""
    secret = links.new_secret()
    setup.transaction(
        lambda connection: store.replace(connection, UUID(person.id), links.digest(secret), lifetime_ms=60_000)
    )
    return visitor.get(f"/account/password/{secret}").status_code
