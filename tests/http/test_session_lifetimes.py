"""When sessions and tokens end, to the second; and a database that went back in time."""

import json
import time
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.refusals.reasons import Reason
from authserver.settings.values import TokenSettings
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import reason, token_answer

pytestmark = on_both_databases

DAY = 86_400


# --- expiry ----------------------------------------------------------------------------------------------------------


def test_tokens_live_as_long_as_the_settings_say(oauth: OAuth, person: Person):
    for answer in (oauth.sign_in(person), oauth.refresh(token_answer(oauth.sign_in(person)).refresh_token)):
        token = token_answer(answer)
        assert token.body["expires_in"] == token.claims["exp"] - token.claims["iat"] == 900
        assert token.body["refresh_token_expires_in"] == 7 * DAY


def test_a_client_may_have_lifetimes_of_its_own(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(
        setup.an_app(access_token_lifetime=60, refresh_idle_lifetime=1000, refresh_absolute_lifetime=1500)
    )
    first = token_answer(oauth.sign_in(person))
    assert (first.body["expires_in"], first.body["refresh_token_expires_in"]) == (60, 1000)
    row = setup.session(first.session_id)
    assert row.absolute_expires_at - row.created_at == 1_500_000
    assert row.idle_expires_at - row.created_at == 1_000_000
    assert row.access_expires_at - row.created_at == 60_000


def test_limits_that_were_lowered_hold_for_clients_registered_before(
    setup: Setup, person: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    names = ("access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")
    lowered = dict(zip(names, (60, 600, 1200), strict=True))
    tokens = TokenSettings(**lowered, **{f"max_{name}": seconds for name, seconds in lowered.items()})
    app = create_app(setup.with_settings(tokens=tokens))
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=setup.settings.issuer) as http:
        oauth = OAuth(http, setup.an_app(**dict.fromkeys(names, 30 * DAY)))
        token = token_answer(oauth.sign_in(person))
        assert (token.body["expires_in"], token.body["refresh_token_expires_in"]) == (60, 600)
        assert oauth.own_token().json()["expires_in"] == 60
    row = setup.session(token.session_id)
    assert row.absolute_expires_at - row.created_at == 1_200_000
    app.extensions["authserver"].database.dispose()


def test_a_refresh_puts_off_the_idle_end_and_never_the_absolute_one(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(
        setup.an_app(access_token_lifetime=60, refresh_idle_lifetime=1000, refresh_absolute_lifetime=1500)
    )
    token = token_answer(oauth.sign_in(person))
    setup.back_date(token.session_id, 900)
    token = token_answer(oauth.refresh(token.refresh_token))
    assert 595 <= token.body["refresh_token_expires_in"] <= 600
    setup.back_date(token.session_id, 590)
    token = token_answer(oauth.refresh(token.refresh_token))
    assert 5 <= token.body["refresh_token_expires_in"] <= 10
    setup.back_date(token.session_id, 10)
    assert reason(setup, oauth.refresh(token.refresh_token)) is Reason.SESSION_EXPIRED


def test_a_session_that_was_idle_for_too_long_is_over(oauth: OAuth, person: Person, setup: Setup):
    kept, late = token_answer(oauth.sign_in(person)), token_answer(oauth.sign_in(person))
    setup.back_date(kept.session_id, 7 * DAY - 30)
    assert oauth.refresh(kept.refresh_token).status_code == 200
    setup.back_date(late.session_id, 7 * DAY)
    refused = oauth.refresh(late.refresh_token)
    assert refused_as(refused, "invalid_grant")
    assert reason(setup, refused) is Reason.SESSION_EXPIRED


def test_a_retry_of_an_expired_session_is_refused(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    setup.sql("UPDATE sessions SET idle_expires_at = rotated_at")
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.SESSION_EXPIRED


def test_at_the_end_of_a_session_expires_in_is_true_to_the_second(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    setup.sql("UPDATE sessions SET absolute_expires_at = created_at + 100000, access_expires_at = created_at")
    ends_at = setup.session(first.session_id).absolute_expires_at
    asked_at = setup.database.now()
    last = token_answer(oauth.refresh(first.refresh_token))
    answered_at = setup.database.now()
    assert last.claims["exp"] == ends_at // 1000, "an access token never outlives its session"
    assert last.body["expires_in"] == last.claims["exp"] - last.claims["iat"]
    assert (ends_at - answered_at) // 1000 <= last.body["refresh_token_expires_in"] <= (ends_at - asked_at) // 1000
    assert setup.session(first.session_id).access_expires_at == ends_at


def test_no_token_is_expired_on_arrival_and_the_last_second_is_the_sessions_too(
    oauth: OAuth, person: Person, setup: Setup
):
    """Times in tokens are whole seconds: once a refresh in the last one gave `expires_in` 0."""
    session, answered = token_answer(oauth.sign_in(person)), 0
    for left in range(100, 1500, 50):
        # A slow machine may need more than what is left: then the session is over, which is right too.
        setup.sql("UPDATE sessions SET absolute_expires_at = :soon", soon=setup.database.now() + left)
        answer = oauth.refresh(session.refresh_token)
        if answer.status_code == 200:
            answered += left < 1000
            assert answer.json()["expires_in"] >= 1
            sid, exp = claims(answer.json()["access_token"])["sid"], claims(answer.json()["access_token"])["exp"]
            assert exp * 1000 < setup.session(sid).absolute_expires_at + 1000
        setup.sql("UPDATE sessions SET idle_expires_at = created_at + 900000")
    assert answered


def test_the_row_knows_the_access_token_that_lives_longest(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    before = setup.session(first.session_id).access_expires_at
    second = token_answer(oauth.refresh(first.refresh_token))
    after = setup.session(first.session_id).access_expires_at
    assert before <= after
    assert second.claims["exp"] <= after / 1000 < second.claims["exp"] + 1
    # A shorter lifetime of the client does not shorten tokens that were issued before.
    setup.sql("UPDATE sessions SET access_expires_at = :later", later=after + 3_600_000)
    token_answer(oauth.refresh(second.refresh_token))
    assert setup.session(first.session_id).access_expires_at == after + 3_600_000


def test_a_session_that_cannot_be_refreshed_ends_with_its_access_token(oauth: OAuth, person: Person, setup: Setup):
    body = oauth.as_app(setup.an_app(grants={"password"})).sign_in(person).json()
    assert "refresh_token" not in body
    assert "refresh_token_expires_in" not in body
    (row,) = setup.sql("SELECT * FROM sessions")
    assert row.current_digest is None
    assert row.idle_expires_at == row.absolute_expires_at == row.access_expires_at == row.created_at + 900_000


# --- a database that went back in time -------------------------------------------------------------------------------


@pytest.fixture
def restored(oauth: OAuth, person: Person, setup: Setup) -> tuple[Any, Any, Any]:
    """A session whose row is one generation behind its client: the old row, the new row, and the client's token."""
    first = token_answer(oauth.sign_in(person))
    before = setup.session(first.session_id)
    token = token_answer(oauth.refresh(first.refresh_token))
    since = setup.session(first.session_id)
    put(setup, before)
    return before, since, token


def put(setup: Setup, row: Any) -> None:
    """Put a row back as it was."""
    columns = {name: value for name, value in row._mapping.items() if name != "id"}
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    setup.sql(f"UPDATE sessions SET {assignments} WHERE id = :session_id", **columns, session_id=row.id)


def test_a_token_from_the_future_is_kept_by_its_client(oauth: OAuth, setup: Setup, restored: tuple[Any, Any, Any]):
    before, since, token = restored
    later = oauth.refresh(token.refresh_token)
    assert refused_as(later, "temporarily_unavailable", 503)
    assert int(later.headers["retry-after"]) >= 1
    assert reason(setup, later) is Reason.SESSION_FROM_THE_FUTURE
    assert setup.session(token.session_id) == before, "nothing is revoked, nothing is changed"
    put(setup, since)
    assert oauth.refresh(token.refresh_token).status_code == 200


def test_tokens_from_the_future_are_recorded_at_a_bounded_rate(
    oauth: OAuth, setup: Setup, restored: tuple[Any, Any, Any]
):
    _, _, token = restored
    started = time.monotonic()
    assert {oauth.refresh(token.refresh_token).status_code for _ in range(40)} == {503}
    events = setup.events("session.from_the_future")
    assert 10 <= len(events) <= 11 + (time.monotonic() - started) < 40
    detail = json.loads(events[0].detail)
    assert (detail["presented_generation"], detail["current_generation"]) == (1, 0)


def test_a_token_from_the_future_can_still_sign_out(oauth: OAuth, setup: Setup, restored: tuple[Any, Any, Any]):
    _, _, token = restored
    assert oauth.revoke(token.refresh_token).status_code == 200
    assert setup.session(token.session_id).revoked_because == "signed_out"


# --- leaked keys -----------------------------------------------------------------------------------------------------


def leak_the_token_key(setup: Setup, app: Flask) -> None:
    setup.sql("UPDATE keys SET leaked = :yes WHERE kind = 'token'", yes=True)
    app.extensions["authserver"].keyring.refresh()


def test_a_mismatch_under_a_leaked_key_ends_nothing(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 31)
    third = token_answer(oauth.refresh(second.refresh_token))
    leak_the_token_key(setup, app)
    before = setup.session(first.session_id)
    refused = oauth.refresh(first.refresh_token)
    assert refused_as(refused, "invalid_grant")
    assert reason(setup, refused) is Reason.TOKEN_LEAKED_KEY
    assert setup.session(first.session_id) == before
    assert oauth.refresh(third.refresh_token).status_code == 200, "the server still reads the token, and it matches"


def test_what_matches_under_a_leaked_key_is_held_to_the_rules(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    # The digest in the row proves that the client has had the token.
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    leak_the_token_key(setup, app)
    assert oauth.refresh(first.refresh_token).status_code == 200
    setup.back_date(first.session_id, 31)
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED
