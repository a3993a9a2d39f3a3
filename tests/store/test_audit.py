"""The audit record: events are written when their act commits, and can be searched, paged and exported."""

from __future__ import annotations

import io
import json
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from authserver.administration import audit as use_cases
from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid
from authserver.administration.users import Profile
from authserver.keys.setup import open_vault
from authserver.records import audit
from authserver.records.audit import Caller, Entry, Event, Outcome, Position, Search
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases

PLACE = Caller("192.0.2.7", "a browser")


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester", caller=PLACE)


@contextmanager
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of audit events that the application logged, parsed."""
    (handler,) = (h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    text = io.StringIO()
    before = handler.setStream(text)

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in text.getvalue().splitlines()]
        return [line for line in lines if line["logger"] == "authserver.audit"]

    try:
        yield read
    finally:
        if before is not None:
            handler.setStream(before)


def record(setup: Setup, *events: Event, **fields: Any) -> None:
    """One event after the other, each in a transaction of its own."""
    for event in events:
        setup.transaction(lambda connection, event=event: audit.record(connection, Entry(event, "server", **fields)))


def at(setup: Setup, times: dict[Event, int]) -> None:
    """Set the times of events, in milliseconds since the epoch."""
    for event, when in times.items():
        setup.sql("UPDATE audit_events SET at = :at WHERE event = :event", at=when, event=event.value)


# --- refusals ---------------------------------------------------------------------------------------------------------


def refused_in_recorded_ways(oauth: OAuth, setup: Setup, person: Person) -> dict[str, str]:
    """Requests whose refusal is recorded: the event of each, and the reference that the caller got."""
    wrong = oauth.as_app(App(oauth.app.client_id, "wrong")).own_token()
    password = oauth.token(grant_type="password", username=person.username, password="wrong")
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 100)  # out of the retry window
    token_answer(oauth.refresh(second.refresh_token))
    stolen = oauth.refresh(first.refresh_token)
    restored = token_answer(oauth.sign_in(person))
    row = setup.session(restored.session_id)
    newer = token_answer(oauth.refresh(restored.refresh_token))
    setup.sql(
        "UPDATE sessions SET generation = generation - 1, current_digest = :digest WHERE id = :id",
        digest=row.current_digest,
        id=UUID(restored.session_id),
    )
    future = oauth.refresh(newer.refresh_token)
    answers = {
        "client.refused": (wrong, 401),
        "sign_in.refused": (password, 400),
        "session.reuse": (stolen, 400),
        "session.from_the_future": (future, 503),
    }
    for event, (answer, status) in answers.items():
        assert answer.status_code == status, (event, answer.text)
    return {event: answer.json()["reference"] for event, (answer, _) in answers.items()}


def test_the_event_of_a_refusal_has_the_reference_that_the_caller_got(oauth: OAuth, setup: Setup, person: Person):
    opened = References(open_vault(setup.settings).reference_key())
    for name, reference in refused_in_recorded_ways(oauth, setup, person).items():
        (event,) = setup.events(name)
        assert (event.outcome, event.reference) == ("refused", reference), name
        reason = json.loads(event.detail).get("reason")
        assert reason is None or opened.open(reference).reason.name.lower() == reason


def test_a_retry_that_is_refused_because_it_came_from_elsewhere_has_its_reference(
    oauth: OAuth, setup: Setup, person: Person
):
    careful = oauth.as_app(setup.an_app(refuse_foreign_retries=True))
    first = token_answer(careful.sign_in(person))
    token_answer(careful.refresh(first.refresh_token))
    setup.sql("UPDATE sessions SET last_address = '192.0.2.1', last_user_agent = 'another'")
    answer = careful.refresh(first.refresh_token)
    assert answer.status_code == 400
    (event,) = setup.events("session.retry")
    assert (event.outcome, event.reference) == ("refused", answer.json()["reference"])


def test_what_is_done_says_so_and_has_no_reference(oauth: OAuth, setup: Setup, person: Person):
    token_answer(oauth.sign_in(person))
    (event,) = setup.events("session.opened")
    assert (event.outcome, event.reference, event.address) == ("done", None, "127.0.0.1")


def test_a_refusal_has_one_reference_however_often_it_is_asked_for(setup: Setup):
    references = References(open_vault(setup.settings).reference_key())
    refusal = Refused(Reason.WRONG_SECRET)
    assert references.of(refusal, "shop") == references.of(refusal, "shop")
    assert references.of(refusal, "shop") != references.of(Refused(Reason.WRONG_SECRET), "shop")


# --- the log ----------------------------------------------------------------------------------------------------------


def test_each_event_is_one_line_of_the_log_with_what_the_row_says(app: Flask, admin: Administration, setup: Setup):
    with log_lines() as read:
        users.add(admin, Profile("anna", None, frozenset({"editor"})), "correct horse")
    (line,) = read()
    (row,) = setup.events("user.added")
    assert (line["event"], line["actor"], line["outcome"]) == ("user.added", "cli:tester", "done")
    assert (line["address"], line["user_agent"]) == (PLACE.address, PLACE.user_agent)
    assert line["user_id"] == str(UUID(str(row.user_id)))
    assert line["detail"] == json.loads(row.detail) == {"username": "anna", "roles": ["editor"]}
    assert line["level"] == "info"


def test_an_act_that_is_rolled_back_leaves_neither_event_nor_line(
    app: Flask, admin: Administration, setup: Setup, person: Person
):
    with log_lines() as read:
        with suppress(ZeroDivisionError), admin.transaction():
            users.disable(admin, person.username)
            _ = 1 / 0
        assert setup.events("user.disabled") == []
        assert read() == []
        users.disable(admin, person.username)
        assert len(setup.events("user.disabled")) == len(read()) == 1
        with pytest.raises(Conflict):
            users.disable(admin, person.username)
        assert len(setup.events("user.disabled")) == len(read()) == 1


def test_no_line_is_written_before_the_commit(app: Flask, admin: Administration, person: Person):
    with log_lines() as read:
        with admin.transaction():
            users.disable(admin, person.username)
            assert read() == []
        assert len(read()) == 1


def test_a_connection_keeps_no_line_of_the_transaction_before(app: Flask, admin: Administration, setup: Setup):
    """The pool hands out the same connection again. The next transaction must not log the lines of the last one."""
    with log_lines() as read:
        with suppress(ZeroDivisionError), setup.database.transaction() as connection:
            audit.record(connection, Entry(Event.KEYS_REWRAPPED, "server"))
            _ = 1 / 0
        with setup.database.autocommit() as connection:
            audit.record(connection, Entry(Event.KEY_LEAKED, "server", subject="1"))
        record(setup, Event.USER_ENABLED)
        assert [line["event"] for line in read()] == ["key.leaked", "user.enabled"]


def test_a_quieter_log_still_has_the_events(app: Flask, admin: Administration):
    logging.getLogger().setLevel(logging.ERROR)
    with log_lines() as read:
        users.add(admin, Profile("anna", None, frozenset()), "correct horse")
    assert [line["event"] for line in read()] == ["user.added"]


# --- finding ----------------------------------------------------------------------------------------------------------

DAY = 86_400_000
WHEN = {Event.KEY_CREATED: 1 * DAY, Event.KEY_PROMOTED: 2 * DAY, Event.USER_ADDED: 3 * DAY, Event.API_ADDED: 4 * DAY}


@pytest.fixture
def events(setup: Setup) -> None:
    """Four events, a day apart, of several actors and subjects."""
    setup.sql("DELETE FROM audit_events")
    entries = [
        Entry(Event.KEY_CREATED, "server", subject="token"),
        Entry(Event.KEY_PROMOTED, "cli:root", subject="7"),
        Entry(Event.USER_ADDED, "cli:anna", client_id="shop"),
        Entry(Event.API_ADDED, "client:shop", subject="https://api.example.com", outcome=Outcome.REFUSED),
    ]
    setup.transaction(lambda connection: audit.record(connection, *entries))
    at(setup, WHEN)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(), ["api.added", "user.added", "key.promoted", "key.created"]),
        (Search(event="key"), ["key.promoted", "key.created"]),
        (Search(event="key.created"), ["key.created"]),
        (Search(actor="cli:root"), ["key.promoted"]),
        (Search(actor="cli"), ["user.added", "key.promoted"]),
        (Search(actor="cl"), []),
        (Search(actor="%"), []),
        (Search(subject="7"), ["key.promoted"]),
        (Search(since=2 * DAY), ["api.added", "user.added", "key.promoted"]),
        (Search(until=2 * DAY), ["key.created"]),
        (Search(since=2 * DAY, until=4 * DAY), ["user.added", "key.promoted"]),
        (Search(client_id="shop", actor="cli"), ["user.added"]),
    ],
)
@pytest.mark.usefixtures("events")
def test_events_are_found_by_what_is_known_of_them(admin: Administration, search: Search, found: list[str]):
    assert [row.event for row in use_cases.find(admin, search, limit=10)] == found
    assert [row.event for row in use_cases.export(admin, search)] == found[::-1], "an export has the oldest first"


def test_an_event_that_does_not_exist_is_refused_with_those_that_do(admin: Administration):
    for find in (lambda search: use_cases.find(admin, search, limit=1), lambda search: use_cases.export(admin, search)):
        with pytest.raises(Invalid, match=r"no event 'user.befriended'; there are api.added, "):
            find(Search(event="user.befriended"))


def test_pages_have_each_event_once_although_new_ones_come_in(admin: Administration, setup: Setup):
    setup.sql("DELETE FROM audit_events")
    record(setup, *[Event.USER_ENABLED] * 23)
    setup.sql("UPDATE audit_events SET at = 5")  # the same time for all, so that only their ids give the order
    whole = [row.id for row in use_cases.find(admin, Search(), limit=100)]
    seen: list[UUID] = []
    place = None
    while rows := use_cases.find(admin, Search(), limit=5, before=place):
        seen += [row.id for row in rows]
        place = Position.of(rows[-1])
        record(setup, Event.USER_DISABLED)
    assert seen == whole
    assert len(seen) == 23


def test_an_export_streams_everything_in_bounded_memory(admin: Administration, setup: Setup):
    setup.sql("DELETE FROM audit_events")
    many = [Entry(Event.USER_ENABLED, "server", detail={"note": "x" * 200})] * 1000
    for _ in range(12):
        setup.transaction(lambda connection: audit.record(connection, *many))
    setup.sql("UPDATE audit_events SET at = 5 WHERE at % 2 = 0")
    for _ in use_cases.export(admin, Search()):
        break  # the memory of the first row's caches does not count
    tracemalloc.start()
    ids = [row.id.int for row in use_cases.export(admin, Search())]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(ids) == len(set(ids)) == 12_000
    assert peak < 8_000_000, "all rows at once would take about twice as much"


def test_an_export_ends_although_events_keep_coming(admin: Administration, setup: Setup):
    record(setup, *[Event.USER_ENABLED] * 3)
    future = admin.database.now() + 60_000
    setup.sql("UPDATE audit_events SET at = :at WHERE event = 'user.enabled'", at=future)
    assert [row for row in use_cases.export(admin, Search()) if row.event == "user.enabled"] == []


def test_old_events_without_an_outcome_are_shown_with_one(admin: Administration, setup: Setup):
    record(setup, Event.SIGN_IN_REFUSED, Event.USER_ADDED)
    setup.sql("UPDATE audit_events SET outcome = NULL")
    documents = [use_cases.as_document(row) for row in use_cases.find(admin, Search(), limit=2)]
    assert {one["event"]: one["outcome"] for one in documents} == {"sign_in.refused": "refused", "user.added": "done"}
