"""No answer tells which users and clients exist: it is the same, for the same work, which is counted and not timed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event

from authserver.passwords.argon2id import Argon2id
from authserver.users import store as users
from tests.support.console import an_administrator
from tests.support.databases import on_postgresql
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.visitor import Visitor

_TABLE = re.compile(r"(?:\nFROM|^INSERT INTO|^UPDATE)(?: \(SELECT .* AS one_row LEFT OUTER JOIN)? (\w+)")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parameters of every password hash that is computed."""
    computed: list[str] = []
    compare, make = Argon2id.matches, Argon2id.hash

    def counted_comparison(self: Argon2id, secret: bytes, encoded: str) -> bool:
        computed.append(encoded.split("$")[3])
        return compare(self, secret, encoded)

    def counted_hash(self: Argon2id, secret: bytes) -> str:
        computed.append("hash")
        return make(self, secret)

    monkeypatch.setattr(Argon2id, "matches", counted_comparison)
    monkeypatch.setattr(Argon2id, "hash", counted_hash)
    return computed


@contextmanager
def work(statements: Any, hashes: list[str]) -> Iterator[dict[str, Any]]:
    """The cost of a request: the tables of its statements, in order, and its hashes."""
    hashes.clear()
    cost: dict[str, Any] = {}
    with statements.counted() as seen:
        yield cost
    cost |= {"statements": [_TABLE.findall(text) for text in seen], "hashes": list(hashes)}


def told(answer: httpx.Response) -> tuple[Any, ...]:
    """All parts of an answer, with the length of the sealed reference in its place."""
    body = answer.json()
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, headers, {**body, "reference": len(body["reference"])}


def sign_in(oauth: OAuth, username: str, password: str) -> httpx.Response:
    return oauth.token(grant_type="password", username=username, password=password)


def test_an_unknown_user_costs_and_says_what_a_wrong_password_does(
    oauth: OAuth, setup: Setup, person: Person, statements: Any, hashes: list[str]
):
    disabled = setup.a_person()
    unreadable = setup.a_person(password_hash="$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ")
    setup.sql("UPDATE users SET enabled = :no WHERE username = :name", no=False, name=disabled.username)
    assert oauth.sign_in(person).status_code == 200
    attempts = {
        "a wrong password": (person.username, "wrong password"),
        "an unknown user": ("nobody", "wrong password"),
        "an unknown address": ("nobody@example.com", "wrong password"),
        "a name that nobody can have": ("no body\u202e" * 50, "wrong password"),
        "a disabled user": (disabled.username, disabled.password),
        "a hash that cannot be used": (unreadable.username, "wrong password"),
        "a password too long": (person.username, "x" * 300),
        "an unknown user, and a password too long": ("nobody", "x" * 300),
    }
    seen = {}
    for what, (username, password) in attempts.items():
        with work(statements, hashes) as cost:
            answer = sign_in(oauth, username, password)
        assert refused_as(answer, "invalid_grant")
        seen[what] = (told(answer), cost)
    expected = seen["a wrong password"]
    assert len(expected[1]["hashes"]) == 1
    assert {what: outcome for what, outcome in seen.items() if outcome != expected} == {}


@on_postgresql
@pytest.mark.parametrize("login", ["nobody", "nobody@example.com"])
def test_a_row_is_read_for_an_unknown_login_too(setup: Setup, person: Person, login: str):
    """To read a row takes longer than to read none (`proofs/test_names.py` measures it)."""
    rows: list[int] = []
    event.listen(setup.database.engine, "after_cursor_execute", lambda _, cursor, *__: rows.append(cursor.rowcount))
    with setup.database.autocommit() as connection:
        assert users.find_for_sign_in(connection, person.username, place=b"a place") is not None
        assert users.find_for_sign_in(connection, login, place=b"a place") is None
    assert rows == [1, 1]


def test_the_sign_in_form_costs_and_says_the_same_for_unknown_users(
    visitor: Visitor, setup: Setup, person: Person, statements: Any, hashes: list[str]
):
    """A clock could measure the work, so the test compares the work, and every byte that is not the visitor's own."""
    disabled, without = setup.a_person(), setup.a_person()
    setup.sql("UPDATE users SET enabled = :no WHERE username = :name", no=False, name=disabled.username)
    setup.sql("UPDATE users SET password_hash = NULL WHERE username = :name", name=without.username)
    assert visitor.sign_in(person).status_code == 303
    visitor.http.cookies.clear()
    attempts = {
        "a wrong password": (person.username, "wrong password"),
        "an unknown user": ("nobody", "wrong password"),
        "an unknown address": ("nobody@example.com", "wrong password"),
        "a name that nobody can have": ("no body\u202e" * 50, "wrong password"),
        "a disabled user": (disabled.username, disabled.password),
        "a user without a password": (without.username, without.password),
        "a password too long": (person.username, "x" * 300),
        "an unknown user, and a password too long": ("nobody", "x" * 300),
    }
    seen = {}
    for what, (login, password) in attempts.items():
        token = visitor.token()
        with work(statements, hashes) as cost:
            page = visitor.post("/account/sign-in", {"csrf_token": token, "login": login, "password": password})
        shown = page.text.replace(dict(visitor.form("/account/sign-in").fields)["csrf_token"], "").replace(login, "")
        headers = {name: value for name, value in page.headers.items() if name not in ("date", "content-length")}
        seen[what] = (page.status_code, headers, shown, cost)
    expected = seen["a wrong password"]
    assert expected[0] == 403
    assert len(expected[3]["hashes"]) == 1
    assert {what: outcome for what, outcome in seen.items() if outcome != expected} == {}


def test_every_door_makes_the_same_check_of_a_password(
    oauth: OAuth, visitors: Callable[[], Visitor], setup: Setup, statements: Any, hashes: list[str]
):
    """Every place that takes a password checks it in the same way."""
    person, other = an_administrator(setup), setup.a_person()
    outside, inside = visitors(), visitors()
    assert inside.sign_in(person).status_code == 303
    new = {"new_password": "a wholly new password", "repeated_password": "a wholly new password"}
    # The browser, the page with the form, the form's address, its password field, and its other fields.
    pages = [
        (outside, "/account/sign-in", "/account/sign-in", "password", {"login": person.username}),
        (inside, "/account/data", "/account/confirm", "confirm_password", {}),
        (inside, "/account/data", f"/admin/users/{other.id}/disable", "confirm_password", {}),
        (inside, "/account/data", "/account/password", "old_password", new),
    ]
    assert oauth.sign_in(person).status_code == 200
    for browser, shown, path, field, more in pages:
        form = {"csrf_token": browser.token_of(shown), field: person.password, **more}
        assert browser.post(path, form).status_code == 303, path
    assert setup.events("sign_in.refused") == []
    outside.http.cookies.clear()

    with work(statements, hashes) as cost:
        answer = sign_in(oauth, person.username, "wrong password")
    assert refused_as(answer, "invalid_grant")
    assert cost["statements"] == [["users"], ["throttle_buckets"], ["throttle_strangers"], ["audit_events"]]
    assert len(cost["hashes"]) == 1
    for browser, shown, path, field, more in pages:
        form = {"csrf_token": browser.token_of(shown), field: "wrong password", **more}
        with work(statements, hashes) as cost_here:
            assert browser.post(path, form).status_code in (403, 422), path
        # A page also reads its visit, and the rows that its navigation shows.
        of_the_check = [tables for tables in cost_here["statements"] if tables in cost["statements"]]
        # Who is signed in to the pages is no stranger.
        strangers = [["throttle_strangers"]] if browser is outside else []
        assert of_the_check == [["users"], ["throttle_buckets"], *strangers, ["audit_events"]], path
        assert cost_here["hashes"] == cost["hashes"], path
    events = setup.events("sign_in.refused")
    assert [event.actor for event in events] == [f"client:{oauth.app.client_id}", *["browser"] * len(pages)]
    assert [event.reference for event in events] == [answer.json()["reference"], *[None] * len(pages)]
    assert {(UUID(str(event.user_id)), event.outcome, event.detail) for event in events} == {
        (UUID(person.id), "refused", '{"reason": "wrong_password"}')
    }


def test_the_work_of_a_sign_in_does_not_grow_with_the_number_of_users(
    oauth: OAuth, setup: Setup, person: Person, statements: Any, hashes: list[str]
):
    assert oauth.sign_in(person).status_code == 200
    costs = []
    for _ in range(2):
        with work(statements, hashes) as cost:
            assert oauth.sign_in(person).status_code == 200
        costs.append(cost)
        for _ in range(20):
            setup.a_person(password_hash="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
    assert costs[0] == costs[1]
    assert len(costs[0]["hashes"]) == 1


def test_an_unknown_client_costs_and_says_what_a_wrong_secret_does(
    oauth: OAuth, setup: Setup, statements: Any, hashes: list[str]
):
    assert oauth.own_token().status_code == 200
    in_use, idle = oauth.app, setup.an_app()
    disabled = setup.an_app()
    setup.sql("UPDATE clients SET enabled = :no WHERE client_id = :id", no=False, id=disabled.client_id)
    attempts = {
        "a wrong secret": App(idle.client_id, "wrong"),
        "a wrong secret of a client in use": App(in_use.client_id, "wrong"),
        "an unknown client": App("nobody", "wrong"),
        "a disabled client": disabled,
        "a method that is not the client's": App(setup.an_app(public=True).client_id, "wrong"),
    }
    seen = {}
    for what, app in attempts.items():
        with work(statements, hashes) as cost:
            answer = oauth.as_app(app).own_token()
        assert refused_as(answer, "invalid_client", 401)
        seen[what] = (told(answer), cost)
    expected = seen["a wrong secret"]
    assert {what: outcome for what, outcome in seen.items() if outcome != expected} == {}


def test_no_password_hash_is_spent_on_a_client_secret(oauth: OAuth, hashes: list[str]):
    hashes.clear()
    assert oauth.own_token().status_code == 200
    assert oauth.as_app(App(oauth.app.client_id, "wrong")).own_token().status_code == 401
    assert hashes == []


def test_every_bad_refresh_token_is_refused_in_the_same_words(oauth: OAuth, setup: Setup, person: Person):
    ended, current = (oauth.sign_in(person).json()["refresh_token"] for _ in range(2))
    assert oauth.refresh(current).status_code == 200
    assert oauth.revoke(ended).status_code == 200
    answers = [oauth.refresh(ended), oauth.refresh("x"), oauth.refresh("asrt_" + "A" * 96)]
    answers.append(oauth.as_app(setup.an_app()).refresh(current))
    setup.sql("UPDATE sessions SET idle_expires_at = 1")
    answers.append(oauth.refresh(current))
    setup.sql("DELETE FROM sessions")
    answers.append(oauth.refresh(current))
    assert all(refused_as(answer, "invalid_grant") for answer in answers)
    assert len({str(told(answer)) for answer in answers}) == 1
