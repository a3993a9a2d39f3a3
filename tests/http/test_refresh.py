"""A refresh, on the wire: rotation, the window in which it may be repeated, and reuse."""

import json
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.keys.model import Kind
from authserver.refusals.reasons import Reason
from authserver.sessions.refresh_token import parse
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import reason, token_answer

pytestmark = on_both_databases


def from_elsewhere(oauth: OAuth, app: Flask) -> OAuth:
    """The same app, from another address and another user agent."""
    transport = httpx.WSGITransport(app, raise_app_exceptions=False, remote_addr="198.51.100.9")
    http = httpx.Client(transport=transport, base_url=str(oauth.http.base_url))
    return OAuth(http, oauth.app, {"User-Agent": "Thief/1.0"})


def details(setup: Setup, event: str) -> list[dict[str, Any]]:
    return [json.loads(row.detail) for row in setup.events(event)]


# --- rotation --------------------------------------------------------------------------------------------------------


def test_a_refresh_moves_the_session_one_generation_on(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    assert second.session_id == first.session_id
    assert [parse(token.refresh_token).generation for token in (first, second)] == [0, 1]
    assert second.claims["jti"] != first.claims["jti"]
    row = setup.session(first.session_id)
    assert (row.generation, row.retries, row.late_retries) == (1, 0, 0)


def test_the_row_keeps_digests_and_never_a_token(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    row = setup.session(first.session_id)
    assert bytes(row.previous_digest) == parse(first.refresh_token).digest
    assert bytes(row.current_digest) == parse(second.refresh_token).digest
    secrets = {parse(token.refresh_token).secret for token in (first, second)}
    assert not secrets & {bytes(value) for value in row if isinstance(value, bytes | memoryview)}


def test_a_session_is_one_row_however_often_it_refreshes(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.sign_in(person))
    events = len(setup.sql("SELECT id FROM audit_events"))
    for _ in range(5):
        setup.back_date(token.session_id, 31)
        token = token_answer(oauth.refresh(token.refresh_token))
    assert len(setup.sql("SELECT id FROM sessions")) == 1
    assert setup.session(token.session_id).generation == 5
    assert len(setup.sql("SELECT id FROM audit_events")) == events, "plain rotations are counted, not recorded"


def test_a_session_rotates_at_most_once_in_a_window(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    burst = [token_answer(oauth.refresh(second.refresh_token)) for _ in range(5)]
    assert {token.refresh_token for token in burst} == {second.refresh_token}
    assert len({token.claims["jti"] for token in burst}) == 5, "each answer has a fresh access token"
    setup.back_date(first.session_id, 29)
    assert token_answer(oauth.refresh(second.refresh_token)).refresh_token == second.refresh_token
    setup.back_date(first.session_id, 2)
    third = token_answer(oauth.refresh(second.refresh_token))
    assert third.refresh_token != second.refresh_token
    assert setup.session(first.session_id).generation == 2


def test_the_place_of_the_last_use_follows_the_client(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    first = token_answer(oauth.sign_in(person))
    token_answer(from_elsewhere(oauth, app).refresh(first.refresh_token))
    row = setup.session(first.session_id)
    assert (row.last_address, row.last_user_agent) == ("198.51.100.9", "Thief/1.0")


# --- retries ---------------------------------------------------------------------------------------------------------


def test_a_retry_gets_the_same_successor_and_a_fresh_access_token(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    again = token_answer(oauth.refresh(first.refresh_token))
    assert again.refresh_token == second.refresh_token
    assert again.claims["jti"] != second.claims["jti"]
    assert setup.session(first.session_id).generation == 1


def test_a_retry_after_the_successor_was_used_still_gets_the_same(oauth: OAuth, person: Person):
    # Requests that were delayed and overtake each other, within a window.
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    assert token_answer(oauth.refresh(second.refresh_token)).refresh_token == second.refresh_token
    assert token_answer(oauth.refresh(first.refresh_token)).refresh_token == second.refresh_token


def test_a_retry_never_extends_the_window(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 20)
    assert oauth.refresh(first.refresh_token).status_code == 200
    setup.back_date(first.session_id, 11)
    assert refused_as(oauth.refresh(first.refresh_token), "invalid_grant")


def test_a_retry_is_answered_after_the_token_key_was_rotated(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.key_rotation().rotate(Kind.TOKEN, at_once=True, actor="cli:test")
    app.extensions["authserver"].keyring.refresh()
    assert token_answer(oauth.refresh(first.refresh_token)).refresh_token == second.refresh_token
    setup.back_date(first.session_id, 31)
    third = token_answer(oauth.refresh(second.refresh_token))
    assert parse(third.refresh_token).key_id != parse(second.refresh_token).key_id


def test_retries_are_counted_and_at_most_8_of_a_generation_recorded(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    for _ in range(12):
        token_answer(oauth.refresh(first.refresh_token))
    assert setup.session(first.session_id).retries == 12
    assert len(setup.events("session.retry")) == 8
    setup.back_date(first.session_id, 31)
    token_answer(oauth.refresh(second.refresh_token))
    token_answer(oauth.refresh(second.refresh_token))
    assert setup.session(first.session_id).retries == 13
    assert len(setup.events("session.retry")) == 9
    assert details(setup, "session.retry")[-1] == {
        "presented_generation": 1,
        "current_generation": 2,
        "from_elsewhere": False,
    }


def test_a_retry_from_elsewhere_is_answered_and_marked(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    assert token_answer(from_elsewhere(oauth, app).refresh(first.refresh_token)).refresh_token == second.refresh_token
    assert [detail["from_elsewhere"] for detail in details(setup, "session.retry")] == [True]
    assert setup.events("session.retry")[0].address == "198.51.100.9"
    assert setup.session(first.session_id).last_user_agent != "Thief/1.0", (
        "a retry does not change the session's address and user agent"
    )


def test_a_use_of_the_current_token_from_elsewhere_inside_the_window_leaves_a_mark(
    oauth: OAuth, person: Person, setup: Setup, app: Flask
):
    """It does not change the place that the owner's retries are compared with."""
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    token_answer(oauth.refresh(second.refresh_token))
    assert setup.events("session.kept") == []
    token_answer(from_elsewhere(oauth, app).refresh(second.refresh_token))
    assert [detail["from_elsewhere"] for detail in details(setup, "session.kept")] == [True]
    token_answer(oauth.refresh(first.refresh_token))
    assert [detail["from_elsewhere"] for detail in details(setup, "session.retry")] == [False]


@pytest.mark.parametrize("seconds", [0, 31], ids=["in the window", "late"])
def test_a_client_may_have_retries_from_elsewhere_refused(
    oauth: OAuth, person: Person, setup: Setup, app: Flask, seconds: int
):
    oauth = oauth.as_app(setup.an_app(refuse_foreign_retries=True, late_retries=1))
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, seconds)
    before = setup.session(first.session_id)
    refused = from_elsewhere(oauth, app).refresh(first.refresh_token)
    assert refused_as(refused, "invalid_grant")
    assert reason(setup, refused) is Reason.RETRY_FROM_ELSEWHERE
    assert setup.session(first.session_id) == before, "the session goes on unchanged"
    assert details(setup, "session.retry")[-1]["refused"]
    assert token_answer(oauth.refresh(second.refresh_token)).session_id == first.session_id


def test_window_0_means_strict_single_use(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(setup.an_app(retry_window=0))
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    third = token_answer(oauth.refresh(second.refresh_token))
    assert len({token.refresh_token for token in (first, second, third)}) == 3, "every refresh rotates"
    assert reason(setup, oauth.refresh(second.refresh_token)) is Reason.TOKEN_REUSED
    assert refused_as(oauth.refresh(third.refresh_token), "invalid_grant")


# --- reuse -----------------------------------------------------------------------------------------------------------


def test_a_reused_refresh_token_ends_its_session(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    reused = oauth.refresh(first.refresh_token)
    assert refused_as(reused, "invalid_grant")
    assert reason(setup, reused) is Reason.TOKEN_REUSED
    after = oauth.refresh(second.refresh_token)
    assert refused_as(after, "invalid_grant")
    assert reason(setup, after) is Reason.SESSION_REVOKED
    assert setup.session(first.session_id).revoked_because == "reuse"


def test_reuse_says_who_and_where(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    assert refused_as(from_elsewhere(oauth, app).refresh(first.refresh_token), "invalid_grant")
    (event,) = setup.events("session.reuse")
    assert (event.address, event.user_agent) == ("198.51.100.9", "Thief/1.0")
    assert event.client_id == oauth.app.client_id
    detail = json.loads(event.detail)
    assert (detail["presented_generation"], detail["current_generation"]) == (0, 1)
    assert detail["last_address"] == "127.0.0.1"


def test_a_superseded_token_is_reuse_even_within_the_window_of_another(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    token_answer(oauth.refresh(second.refresh_token))
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED


def test_reuse_ends_the_one_session_and_no_other(oauth: OAuth, person: Person, setup: Setup):
    first, other = token_answer(oauth.sign_in(person)), token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    assert refused_as(oauth.refresh(first.refresh_token), "invalid_grant")
    assert oauth.refresh(other.refresh_token).status_code == 200


# --- stable policy ---------------------------------------------------------------------------------------------------


def test_a_stable_client_keeps_its_refresh_token(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(setup.an_app(refresh_policy="stable", refresh_idle_lifetime=1000, access_token_lifetime=60))
    first = token_answer(oauth.sign_in(person))
    for _ in range(3):
        setup.back_date(first.session_id, 900)  # idle for nearly as long as it may be
        again = token_answer(oauth.refresh(first.refresh_token))
        assert again.refresh_token == first.refresh_token
        assert again.body["refresh_token_expires_in"] == 1000
    assert setup.session(first.session_id).generation == 0
    assert oauth.revoke(first.refresh_token).status_code == 200
    assert refused_as(oauth.refresh(first.refresh_token), "invalid_grant")


# --- attempts that must not use up a token ---------------------------------------------------------------------------


def test_no_refused_attempt_uses_up_a_token(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.sign_in(person))
    before = setup.session(token.session_id)
    stranger = oauth.as_app(setup.an_app())
    foreign = stranger.refresh(token.refresh_token)
    assert refused_as(foreign, "invalid_grant")
    assert reason(setup, foreign) is Reason.SESSION_OF_OTHER_CLIENT
    impostor = oauth.as_app(type(oauth.app)(oauth.app.client_id, "wrong"))
    assert refused_as(impostor.refresh(token.refresh_token), "invalid_client", 401)
    assert refused_as(oauth.refresh(token.refresh_token, scope="admin"), "invalid_scope")
    assert refused_as(oauth.refresh(token.refresh_token, resource="https://elsewhere.example"), "invalid_target")
    assert setup.session(token.session_id) == before
    assert oauth.refresh(token.refresh_token).status_code == 200


def test_every_refused_token_is_told_the_same(oauth: OAuth, person: Person, setup: Setup):
    revoked, expired, reused, pruned, genuine = (token_answer(oauth.sign_in(person)) for _ in range(5))
    oauth.revoke(revoked.refresh_token)
    setup.back_date(expired.session_id, 8 * 86_400)
    token_answer(oauth.refresh(reused.refresh_token))
    setup.back_date(reused.session_id, 31)
    oauth.revoke(pruned.refresh_token)
    setup.sql("DELETE FROM sessions WHERE id = :id", id=parse(pruned.refresh_token).session_id)
    changed = "A" if genuine.refresh_token[-1] != "A" else "B"
    answers = {
        Reason.SESSION_REVOKED: oauth.refresh(revoked.refresh_token),
        Reason.SESSION_EXPIRED: oauth.refresh(expired.refresh_token),
        Reason.TOKEN_REUSED: oauth.refresh(reused.refresh_token),
        Reason.SESSION_UNKNOWN: oauth.refresh(pruned.refresh_token),
        Reason.SESSION_OF_OTHER_CLIENT: oauth.as_app(setup.an_app()).refresh(genuine.refresh_token),
        Reason.TOKEN_FORGED: oauth.refresh(genuine.refresh_token[:-1] + changed),
        Reason.TOKEN_MALFORMED: oauth.refresh("asrt_nonsense"),
    }
    assert {wanted: reason(setup, answer) for wanted, answer in answers.items()} == {
        wanted: wanted for wanted in answers
    }
    assert len({answer.json()["error_description"] for answer in answers.values()}) == 1
    assert len({len(answer.content) for answer in answers.values()}) == 1
