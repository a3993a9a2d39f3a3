"""One-time sign-in codes: they let their user in beside strangers' failures, once, and no other user ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from authserver.administration import password_links, pruning
from authserver.administration.context import Administration
from authserver.records import audit
from authserver.records.audit import Entry, Event
from authserver.refusals.reasons import Reason
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.guesses import CODES, HOME, NEW, Browsers, From, attack, code_made_with, fill, statuses
from tests.support.hasher import blocked_hasher, make_patient, pool_of, until, waiting_for_locks
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import reason

SIGN_IN = "/account/sign-in"
WRONG = "22222-22222"


@pytest.fixture
def code(browser_at: Browsers, person: Person) -> str:
    """A code that the user has made at home."""
    browser = browser_at(HOME)
    assert browser.sign_in(person).status_code == 303
    return code_made_with(browser)


def sign_in(oauth: OAuth, person: Person, code: str) -> int:
    return oauth.sign_in(person, sign_in_code=code).status_code


@on_both_databases
def test_a_code_signs_its_user_in_on_a_new_device_once(from_address: From, person: Person, setup: Setup, code: str):
    attack(setup, from_address, person)
    refused = from_address(NEW).sign_in(person)
    assert (refused.status_code, reason(setup, refused)) == (429, Reason.THROTTLED_STRANGERS)
    assert sign_in(from_address(NEW), person, WRONG) == 429
    assert sign_in(from_address(NEW), person, code.lower().replace("-", " ")) == 200, "as people type it"
    setup.sql("DELETE FROM known_places")
    attack_again(setup)
    assert sign_in(from_address("203.0.114.1"), person, code) == 429, "used up"
    (made,) = setup.events("user.sign_in_code_made")
    assert (made.actor, code in made.detail) == (f"user:{person.id}", False)


def attack_again(setup: Setup) -> None:
    setup.sql("UPDATE throttle_strangers SET failures = 100, charged_at = charged_at + 60000")


@on_both_databases
def test_of_parallel_sign_ins_with_one_code_at_both_doors_one_succeeds(
    app: Flask, from_address: From, browser_at: Browsers, person: Person, setup: Setup, code: str
):
    attack(setup, from_address, person)
    make_patient(app)
    apps, browsers = ([at(f"203.0.{number}.1") for number in range(3)] for at in (from_address, browser_at))
    with blocked_hasher(setup) as release, ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(oauth.sign_in, person, sign_in_code=code) for oauth in apps]
        shown = [pool.submit(browser.sign_in, person, code=code) for browser in browsers]
        until(lambda: pool_of(app).waiting == 6)  # all have found the code
        release()
        answers = [each.result() for each in asked + shown]
    assert [answer.status_code in (200, 303) for answer in answers].count(True) == 1
    assert [answer.status_code in (400, 403) for answer in answers].count(True) == 5
    assert {reason(setup, each) for each in answers if each.status_code == 400} == {Reason.SIGN_IN_CODE_USED}
    refusals = [json.loads(event.detail)["reason"] for event in setup.events("sign_in.refused")]
    assert refusals.count("sign_in_code_used") == 5
    assert len(places(setup)) == 2, "that of the user, and that of the one which the code let in"


def places(setup: Setup) -> list[Any]:
    return setup.sql("SELECT place FROM known_places")


@on_both_databases
def test_a_sign_in_that_is_refused_leaves_the_code_and_makes_no_place_known(
    from_address: From, person: Person, setup: Setup, code: str
):
    """Once such a sign-in used the code up."""
    setup.an_api("https://editors.example.com", scopes="edit", roles={"edit": "editor"})
    app = setup.an_app(public=True, scopes={"read", "edit"})
    attack(setup, from_address, person)
    oauth = from_address(NEW).as_app(app)
    for _ in range(2):
        refused = oauth.sign_in(person, sign_in_code=code, scope="edit")
        assert (refused_as(refused, "invalid_scope"), reason(setup, refused)) == (True, Reason.SCOPE_NEEDS_ROLE)
    assert len(places(setup)) == 1
    attack_again(setup)
    assert oauth.sign_in(person).status_code == 429
    assert oauth.sign_in(person, sign_in_code=code, scope="read").status_code == 200
    assert len(places(setup)) == 2
    assert setup.sql("SELECT * FROM sign_in_codes") == []


@on_both_databases
@pytest.mark.parametrize("event", [Event.SESSION_OPENED, Event.VISIT_OPENED])
def test_a_sign_in_that_the_database_fails_leaves_the_code(
    from_address: From,
    browser_at: Browsers,
    person: Person,
    setup: Setup,
    code: str,
    event: Event,
    monkeypatch: pytest.MonkeyPatch,
):
    attack(setup, from_address, person)
    oauth, browser = from_address(NEW), browser_at(NEW)
    at_a_door = (
        (lambda: oauth.sign_in(person, sign_in_code=code))
        if event is Event.SESSION_OPENED
        else (lambda: browser.sign_in(person, code=code))
    )
    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", failing_at(event))
        assert at_a_door().status_code == 503
    assert (len(setup.sql("SELECT * FROM sign_in_codes")), len(places(setup))) == (1, 1)
    attack_again(setup)
    assert at_a_door().status_code in (200, 303)
    assert setup.sql("SELECT * FROM sign_in_codes") == []


def failing_at(event: Event) -> Callable[[Connection, Entry], None]:
    """Audit events that the database takes, but for this one: the last statement of what opens something."""
    record = audit.record

    def fail(connection: Connection, entry: Entry) -> None:
        if entry.event is event:
            raise OperationalError("INSERT", {}, Exception("disk full"))
        record(connection, entry)

    return fail


@on_postgresql
@pytest.mark.parametrize(("ending", "status"), [("ROLLBACK", 200), ("COMMIT", 400)])
def test_a_sign_in_waits_for_another_one_that_has_the_code_and_may_be_refused(
    from_address: From, person: Person, setup: Setup, code: str, ending: str, status: int
):
    attack(setup, from_address, person)
    oauth = from_address(NEW)
    with ThreadPoolExecutor(1) as pool, setup.database.engine.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("DELETE FROM sign_in_codes")
        waiting = pool.submit(oauth.sign_in, person, sign_in_code=code)
        until(lambda: waiting_for_locks(setup) == 1)
        other.exec_driver_sql(ending)
        assert waiting.result().status_code == status


def test_a_wrong_password_leaves_the_code_and_too_many_do_not_outrun_the_delay(
    from_address: From, person: Person, setup: Setup, code: str
):
    attack(setup, from_address, person)
    thief = Person("", person.username, "wrong password")
    assert [sign_in(from_address(NEW), thief, code) for _ in range(10)] == [400] * 10
    fill(setup, kinds="7")
    refused = from_address(NEW).sign_in(thief, sign_in_code=code)
    assert (refused.status_code, reason(setup, refused)) == (429, Reason.THROTTLED_DEVICE)
    setup.sql("DELETE FROM throttle_buckets")
    assert sign_in(from_address(NEW), person, code) == 200


@pytest.mark.parametrize("spoilt", ["another user's", "another password", "expired", "replaced"])
def test_a_code_that_does_not_count_changes_no_answer(
    from_address: From, browser_at: Browsers, person: Person, setup: Setup, code: str, spoilt: str
):
    if spoilt == "another user's":
        other = setup.a_person()
        browser = browser_at("192.0.4.1")
        assert browser.sign_in(other).status_code == 303
        code = code_made_with(browser)
    elif spoilt == "another password":
        setup.sql("UPDATE users SET password_version = password_version + 1")
    elif spoilt == "expired":
        setup.sql("UPDATE sign_in_codes SET expires_at = expires_at - 600000")
    else:
        browser = browser_at(HOME)
        assert browser.sign_in(person).status_code == 303
        assert code_made_with(browser) != code
    attack(setup, from_address, person)
    with_code, without = (from_address(NEW).sign_in(person, **more) for more in ({"sign_in_code": code}, {}))
    assert with_code.status_code == without.status_code == 429
    assert reason(setup, with_code) is reason(setup, without) is Reason.THROTTLED_STRANGERS


def test_the_page_asks_for_a_code_alike_for_every_name(
    from_address: From, browser_at: Browsers, person: Person, setup: Setup, code: str
):
    nobody = Person("", "nobody", "wrong password")
    attack(setup, from_address, person)
    fresh = browser_at(NEW)
    assert 'name="code"' not in fresh.get(SIGN_IN).text
    assert statuses(from_address("100.64.7.1"), nobody.username, 1) == [400]
    setup.sql("UPDATE throttle_strangers SET failures = 100")
    pages = [browser_at(NEW).sign_in(each) for each in (person, nobody)]
    assert [page.status_code for page in pages] == [429, 429]
    assert ['name="code"' in page.text for page in pages] == [True, True]
    fresh.sign_in(person)
    assert (
        fresh.submit(SIGN_IN, {"login": person.username, "password": person.password, "code": code}).status_code == 303
    )


@on_both_databases
def test_a_link_of_an_administrator_lets_its_user_in_beside_an_attack(
    from_address: From, browser_at: Browsers, person: Person, setup: Setup
):
    attack(setup, from_address, person)
    admin = Administration(setup.database, setup.settings, "cli:tester")
    link = password_links.issue(admin, person.username).url.removeprefix(setup.settings.issuer)
    browser, anew = browser_at(NEW), Person(person.id, person.username, "a wholly new password")
    assert browser.sign_in(person).status_code == 429
    browser.get(link)
    assert browser.submit(link, {"new_password": anew.password, "repeated_password": anew.password}).status_code == 303
    assert from_address(NEW).sign_in(anew).status_code == 200, "an app at the same place"
    setup.sql("DELETE FROM known_places")
    attack_again(setup)
    assert browser.sign_in(anew).status_code == 303


@on_both_databases
def test_codes_are_kept_as_digests_and_pruned_when_they_are_old(
    person: Person, setup: Setup, code: str, browser_at: Browsers
):
    (row,) = setup.sql("SELECT * FROM sign_in_codes")
    assert code.encode() not in bytes(row.digest)
    admin = Administration(setup.database, setup.settings, "cli:tester")
    assert list(pruning.prune(admin))
    assert setup.sql("SELECT * FROM sign_in_codes")
    setup.sql("UPDATE sign_in_codes SET expires_at = expires_at - 600000")
    assert list(pruning.prune(admin))
    assert not setup.sql("SELECT * FROM sign_in_codes")


def test_two_tabs_that_make_a_code_at_once_leave_one(browser_at: Browsers, person: Person, setup: Setup):
    browser = browser_at(HOME)
    assert browser.sign_in(person).status_code == 303
    browser.get(CODES)
    fields = dict(browser.form(CODES).fields)
    pages: list[Callable[[], int]] = [lambda: browser.post(CODES, fields).status_code] * 4
    assert threads_at_once(*pages) == [200] * 4
    assert len(setup.sql("SELECT * FROM sign_in_codes")) == 1
