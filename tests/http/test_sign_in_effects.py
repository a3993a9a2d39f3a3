"""Side effects of a sign-in: it renews an old hash, and ends the oldest sessions beyond the client's cap."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import httpx
import pytest

from authserver.app import create_app
from authserver.settings.values import ServerSettings, ThrottlingSettings
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.hasher import blocked_hasher, make_patient, pool_of, until, waiting_for_locks
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import CHEAP, Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases


@pytest.fixture
def roomy(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """An app whose hashing queue has room for many."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    passwords = CHEAP.model_copy(update={"hashing_queue": 32})
    database = setup.settings.database.model_copy(update={"pool_size": 32})
    # More sign-ins of one user may be in flight than a throttle leaves free.
    changed = {"passwords": passwords, "database": database, "throttling": ThrottlingSettings(place=100)}
    app = create_app(setup.with_settings(**changed, server=ServerSettings(threads=64)))
    make_patient(app)
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        yield OAuth(http, setup.an_app()), app
    app.extensions["authserver"].database.dispose()


def user(setup: Setup, person: Person) -> Any:
    (row,) = setup.sql("SELECT * FROM users WHERE username = :name", name=person.username)
    return row


# --- rehash ----------------------------------------------------------------------------------------------------------


def outdated(password: str) -> str:
    """A hash whose parameters differ from the settings."""
    return argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(password)


def test_a_hash_under_old_parameters_is_renewed_at_sign_in(oauth: OAuth, setup: Setup):
    person = setup.a_person(password="correct horse", password_hash=outdated("correct horse"))
    before = user(setup, person)
    assert oauth.sign_in(person).status_code == 200
    after = user(setup, person)
    assert "m=8,t=1,p=1" in after.password_hash
    assert after.password_version == before.password_version, "it is still the same password"
    assert oauth.sign_in(person).status_code == 200
    assert user(setup, person) == after, "the hash is renewed once"


def test_a_wrong_password_renews_nothing(oauth: OAuth, setup: Setup):
    person = setup.a_person(password="correct horse", password_hash=outdated("correct horse"))
    before = user(setup, person)
    assert refused_as(oauth.sign_in(Person(person.id, person.username, "wrong password")), "invalid_grant")
    assert user(setup, person) == before


@on_postgresql
def test_sign_ins_that_renew_one_hash_at_the_same_time_all_succeed(roomy: Any, setup: Setup):
    # Once each sign-in held a shared lock of the user's row and then wanted to write it: they waited for each other.
    oauth, _ = roomy
    person = setup.a_person(password="correct horse", password_hash=outdated("correct horse"))
    with ThreadPoolExecutor(6) as threads:
        with setup.database.transaction() as connection:
            connection.exec_driver_sql("SELECT id FROM users FOR UPDATE")
            answers = [threads.submit(oauth.sign_in, person) for _ in range(6)]
            until(lambda: waiting_for_locks(setup) == 6)
        assert [answer.result().status_code for answer in answers] == [200] * 6


# --- the cap ---------------------------------------------------------------------------------------------------------


def live_sessions(setup: Setup) -> list[Any]:
    return setup.sql("SELECT id, user_id, client_id FROM sessions WHERE revoked_at IS NULL ORDER BY created_at")


def test_the_cap_ends_the_oldest_session_of_the_user_with_the_client(oauth: OAuth, person: Person, setup: Setup):
    elsewhere = token_answer(oauth.sign_in(person))
    oauth = oauth.as_app(setup.an_app(max_sessions_per_user=2))
    somebody_else = token_answer(oauth.sign_in(setup.a_person()))
    tokens = [token_answer(oauth.sign_in(person)) for _ in range(2)]
    assert oauth.refresh(tokens[0].refresh_token).status_code == 200, "the oldest by sign-in, not by use"
    tokens.append(token_answer(oauth.sign_in(person)))
    assert refused_as(oauth.refresh(tokens[0].refresh_token), "invalid_grant")
    assert setup.session(tokens[0].session_id).revoked_because == "cap"
    assert json.loads(setup.events("session.opened")[-1].detail) == {"ended_by_cap": 1}
    untouched = {tokens[1].session_id, tokens[2].session_id, somebody_else.session_id, elsewhere.session_id}
    assert all(setup.session(session_id).revoked_at is None for session_id in untouched)


def test_ended_sessions_do_not_count_for_the_cap(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(setup.an_app(max_sessions_per_user=2))
    first, second, third = (token_answer(oauth.sign_in(person)) for _ in range(3))
    assert oauth.revoke(third.refresh_token).status_code == 200
    token_answer(oauth.sign_in(person))
    assert setup.session(second.session_id).revoked_at is None
    assert setup.session(first.session_id).revoked_because == "cap"


def test_the_cap_holds_against_20_sign_ins_at_once(roomy: Any, person: Person, setup: Setup):
    oauth, app = roomy
    oauth = oauth.as_app(setup.an_app(max_sessions_per_user=3))
    with ThreadPoolExecutor(20) as threads:
        with blocked_hasher(setup):
            answers = [threads.submit(oauth.sign_in, person) for _ in range(20)]
            until(lambda: pool_of(app).waiting == 20)
        assert [answer.result().status_code for answer in answers] == [200] * 20
    assert len(live_sessions(setup)) == 3
    assert len(setup.sql("SELECT id FROM sessions WHERE revoked_because = 'cap'")) == 17
