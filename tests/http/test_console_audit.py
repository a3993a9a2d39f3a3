"""The console's audit record: filters, pages, details, and a download as JSON lines."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from authserver.database.identifiers import new_id
from authserver.records import audit
from authserver.records.audit import Entry, Event
from tests.support.console import Elements, an_administrator
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

AUDIT = "/admin/audit"


def exported(console: Visitor, query: str = "") -> list[dict[str, object]]:
    answer = console.get(f"{AUDIT}/export{query}")
    assert answer.status_code == 200, answer.text
    assert answer.text.endswith("\n") or answer.text == ""
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


@on_both_databases
def test_events_are_filtered_and_the_file_has_what_the_list_has(
    console: Visitor, setup: Setup, oauth: OAuth, person: Person
):
    oauth.sign_in(person)
    oauth.token(grant_type="password", username=person.username, password="wrong password")
    (opened,) = setup.events("session.opened")
    filters = {
        "": {"session.opened", "sign_in.refused", "visit.opened", "key.created"},
        "?event=session": {"session.opened"},
        "?event=sign_in.refused": {"sign_in.refused"},
        f"?user={person.username}&event=session": {"session.opened"},
        f"?user={person.id}&event=session.opened": {"session.opened"},
        f"?client={oauth.app.client_id}&event=session": {"session.opened"},
        "?actor=server&event=key": {"key.created"},
        "?since=2999-01-01": set(),
        "?until=2000-01-01T00:00": set(),
    }
    for query, events in filters.items():
        assert {str(one["event"]) for one in exported(console, query)} >= events, query
        page = console.get(AUDIT + query)
        assert page.status_code == 200
        assert ("Nothing matches" in page.text) == (events == set()), query
    assert {str(one["event"]) for one in exported(console, "?event=session")} == {"session.opened"}
    assert opened.event in console.get(f"{AUDIT}?event=session.opened").text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("event=nothing", "There is no event"),
        ("session=nothing", "Session: must be an id"),
        ("since=yesterday", "Since: must be a time"),
        ("until=99999-01-01", "Until: must be a time"),
        ("user=nobody", "There is no user"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_would_be_right(console: Visitor, query: str, said: str):
    for path in (AUDIT, f"{AUDIT}/export"):
        page = console.get(f"{path}?{query}")
        assert page.status_code in (404, 422)
        assert said in Elements(page.text).words


@on_both_databases
@pytest.mark.parametrize("before", ["x", "1", "1.x", "-1.0", "9" * 40 + ".1"])
def test_a_damaged_place_in_the_list_is_refused(console: Visitor, before: str):
    assert console.get(f"{AUDIT}?before={before}").status_code == 400


@on_both_databases
def test_a_long_record_comes_page_by_page_and_nothing_twice(console: Visitor, setup: Setup):
    with setup.database.transaction() as connection:
        audit.record(
            connection, *(Entry(Event.CLIENT_CHANGED, "cli:test", subject=f"subject-{n:03}.") for n in range(120))
        )
    seen: list[str] = []
    path = f"{AUDIT}?event=client.changed"
    while path:
        page = console.get(path)
        seen += [word for word in Elements(page.text).words.split() if word.startswith("subject-")]
        links = [value for value in Elements(page.text).values if "before=" in value]
        path = links[0] if links else ""
    assert len(seen) == len(set(seen)) == 120
    assert len(exported(console, "?event=client.changed")) == 120


def test_an_event_shows_everything_that_was_recorded_and_leads_on(
    console: Visitor, setup: Setup, oauth: OAuth, person: Person
):
    answer = oauth.token(grant_type="password", username=person.username, password="wrong password").json()
    (event,) = exported(console, "?event=sign_in.refused")
    page = console.get(f"{AUDIT}/{event['id']}")
    shown = Elements(page.text).words
    assert "refused" in shown
    assert answer["reference"] in shown
    assert oauth.app.client_id in shown
    link = next(value for value in Elements(page.text).values if value.startswith("/admin/why?"))
    assert "The password was wrong." in console.get(link).text
    assert "365 days" in Elements(console.get(AUDIT).text).words


def test_the_file_is_one_that_browsers_save_and_nothing_breaks_out_of_its_line(console: Visitor, setup: Setup):
    nasty = '=cmd|x\n{"event":"forged"}\r\n\u2028\u2029\x85</script>\x1b[31m'
    with setup.database.transaction() as connection:
        audit.record(connection, Entry(Event.CLIENT_CHANGED, "cli:test", subject=nasty, detail={"name": nasty}))
    answer = console.get(f"{AUDIT}/export?event=client.changed")
    assert answer.headers["Content-Type"].startswith("application/jsonl")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    (line,) = answer.content.splitlines()
    assert json.loads(line)["subject"] == nasty
    assert json.loads(line)["detail"] == {"name": nasty}


def test_who_may_not_read_the_record_sees_none_of_it(setup: Setup, visitor: Visitor):
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:sessions:read"})))
    (event,) = setup.events("visit.opened")
    for path in ("", "/export", f"/{UUID(str(event.id))}"):
        assert visitor.get(AUDIT + path).status_code == 403
    assert visitor.get("/admin/why").status_code == 403


def test_an_event_that_is_not_there_is_not_found(console: Visitor):
    assert console.get(f"{AUDIT}/{new_id()}").status_code == 404
