"""A recovery adopts tokens that are newer than their sessions, and still finds out a second holder.

docs/decisions/recovery.md has the table of cases. Here the rows of a session go back, as in a restore.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from authserver.administration import keys, recovery
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.keys.model import Kind
from authserver.refusals.reasons import Reason
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import TokenAnswer, reason, token_answer

pytestmark = on_both_databases


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "test")


@pytest.fixture
def oauth(oauth: OAuth, setup: Setup) -> OAuth:
    return oauth.as_app(setup.an_app(public=True))


@contextmanager
def lost(setup: Setup, session_id: str) -> Iterator[None]:
    """What happens to a session inside is lost: its row goes back."""
    row: dict[str, Any] = dict(setup.session(session_id)._mapping)
    yield
    columns = ", ".join(f"{name} = :{name}" for name in row if name != "id")
    setup.sql(f"UPDATE sessions SET {columns} WHERE id = :id", **row | {"id": UUID(session_id)})


def refreshed(oauth: OAuth, setup: Setup, token: TokenAnswer) -> TokenAnswer:
    """Refresh after the window."""
    setup.back_date(token.session_id, 31)
    return token_answer(oauth.refresh(token.refresh_token))


@pytest.fixture
def chain(oauth: OAuth, person: Person, setup: Setup) -> list[TokenAnswer]:
    """The tokens of generations 0 to 3. The row of the session is at generation 1 again."""
    tokens = [token_answer(oauth.sign_in(person))]
    tokens.append(refreshed(oauth, setup, tokens[0]))
    with lost(setup, tokens[0].session_id):
        tokens.append(refreshed(oauth, setup, tokens[1]))
        tokens.append(refreshed(oauth, setup, tokens[2]))
    return tokens


def test_a_newer_token_is_put_off_until_a_recovery_adopts_it_and_the_app_goes_on(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    later = oauth.refresh(chain[3].refresh_token)
    assert refused_as(later, "temporarily_unavailable", 503)
    assert reason(setup, later) is Reason.SESSION_FROM_THE_FUTURE
    recovery.start(admin, 3600)
    adopted = token_answer(oauth.refresh(chain[3].refresh_token))
    assert adopted.refresh_token == chain[3].refresh_token
    assert adopted.session_id == chain[0].session_id
    (event,) = setup.events("session.adopted")
    generations = json.loads(event.detail)
    assert (generations["presented_generation"], generations["current_generation"]) == (3, 1)
    following = refreshed(oauth, setup, adopted)
    assert following.refresh_token != adopted.refresh_token
    # A lost answer of the rotation after an adoption is repeated as ever.
    assert token_answer(oauth.refresh(adopted.refresh_token)).refresh_token == following.refresh_token
    assert setup.events("session.reuse") == []


def test_a_recovery_that_was_ended_or_has_run_out_adopts_nothing(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    recovery.stop(admin)
    assert oauth.refresh(chain[3].refresh_token).status_code == 503
    recovery.start(admin, 3600)
    setup.sql("UPDATE recoveries SET until = until - 3600000")
    assert oauth.refresh(chain[3].refresh_token).status_code == 503
    assert setup.events("session.adopted") == []


def test_of_parallel_requests_with_one_newer_token_one_adopts_it_and_all_get_it(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    answers = threads_at_once(*[lambda: oauth.refresh(chain[3].refresh_token)] * 8)
    assert {token_answer(answer).refresh_token for answer in answers} == {chain[3].refresh_token}
    assert len(setup.events("session.adopted")) == 1
    assert setup.session(chain[0].session_id).generation == 3


def test_of_parallel_requests_with_different_newer_tokens_the_newest_stays(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    sent = [(which, chain[which].refresh_token) for which in (2, 3)] * 4
    answers = threads_at_once(*[lambda w=w, token=token: (w, oauth.refresh(token).status_code) for w, token in sent])
    assert {status for which, status in answers if which == 3} == {200}
    assert {status for which, status in answers if which == 2} <= {200, 503}
    assert setup.session(chain[0].session_id).generation == 3
    assert setup.events("session.reuse") == []


def test_a_thief_with_an_older_token_is_found_out_when_he_came_before_the_app(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    thief = token_answer(oauth.refresh(chain[2].refresh_token))  # it was superseded, in rows that are lost
    assert token_answer(oauth.refresh(chain[3].refresh_token)).refresh_token == chain[3].refresh_token
    assert recovery.status(admin).adopted == recovery.Adoptions(tokens=2, sessions=1)  # type: ignore[union-attr]
    assert oauth.refresh(thief.refresh_token).status_code == 503
    setup.back_date(thief.session_id, 31)
    assert refused_as(oauth.refresh(thief.refresh_token), "invalid_grant")
    assert len(setup.events("session.reuse")) == 1


def test_a_thief_who_has_moved_on_is_found_out_by_the_app(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    refreshed(oauth, setup, token_answer(oauth.refresh(chain[2].refresh_token)))  # another token of generation 3
    assert refused_as(oauth.refresh(chain[3].refresh_token), "invalid_grant")
    assert len(setup.events("session.reuse")) == 1


def test_a_token_older_than_the_adopted_one_is_put_off_for_a_window_and_then_ends_the_session(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    token_answer(oauth.refresh(chain[3].refresh_token))
    for older in chain[:3]:
        later = oauth.refresh(older.refresh_token)
        assert refused_as(later, "temporarily_unavailable", 503)
        assert reason(setup, later) is Reason.SESSION_JUST_ADOPTED
    assert token_answer(oauth.refresh(chain[3].refresh_token)).refresh_token == chain[3].refresh_token
    setup.back_date(chain[0].session_id, 31)
    assert refused_as(oauth.refresh(chain[2].refresh_token), "invalid_grant")
    assert refused_as(oauth.refresh(chain[3].refresh_token), "invalid_grant")


def test_nothing_is_adopted_under_a_leaked_key_and_nothing_ends(
    oauth: OAuth, setup: Setup, app: Flask, admin: Administration, chain: list[TokenAnswer]
):
    active = next(row.id for row in keys.find_all(admin) if (row.kind, row.state) == (Kind.TOKEN, "active"))
    keys.mark_leaked(admin, active)
    app.extensions["authserver"].keyring.refresh()
    recovery.start(admin, 3600)
    before = setup.session(chain[0].session_id)
    refused = oauth.refresh(chain[3].refresh_token)
    assert refused_as(refused, "invalid_grant")
    assert reason(setup, refused) is Reason.TOKEN_LEAKED_KEY
    assert setup.session(chain[0].session_id) == before
    assert token_answer(oauth.refresh(chain[1].refresh_token)).session_id == chain[0].session_id


def test_a_request_for_too_much_scope_adopts_nothing(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    before = setup.session(chain[0].session_id)
    assert refused_as(oauth.refresh(chain[3].refresh_token, scope="admin"), "invalid_scope")
    assert setup.session(chain[0].session_id) == before
    assert setup.events("session.adopted") == []


def test_a_session_whose_last_uses_are_lost_has_not_expired_for_want_of_them(
    oauth: OAuth, setup: Setup, admin: Administration, chain: list[TokenAnswer]
):
    setup.sql("UPDATE sessions SET idle_expires_at = 1")
    assert oauth.refresh(chain[3].refresh_token).status_code == 503
    recovery.start(admin, 3600)
    token_answer(oauth.refresh(chain[3].refresh_token))
    setup.sql("UPDATE sessions SET absolute_expires_at = 1, generation = 1")
    assert refused_as(oauth.refresh(chain[3].refresh_token), "invalid_grant")


def test_a_session_that_is_unknown_or_has_ended_is_not_adopted(
    oauth: OAuth, setup: Setup, admin: Administration, person: Person, chain: list[TokenAnswer]
):
    recovery.start(admin, 3600)
    unknown = token_answer(oauth.sign_in(person))
    setup.sql("DELETE FROM sessions WHERE id = :id", id=UUID(unknown.session_id))
    assert refused_as(oauth.refresh(unknown.refresh_token), "invalid_grant")
    setup.sql("UPDATE sessions SET revoked_at = 1, revoked_because = 'signed_out'")
    assert refused_as(oauth.refresh(chain[3].refresh_token), "invalid_grant")


def test_the_sessions_that_a_recovery_did_not_reach_can_be_ended(
    oauth: OAuth, setup: Setup, admin: Administration, person: Person, chain: list[TokenAnswer]
):
    unseen, expired = token_answer(oauth.sign_in(person)), token_answer(oauth.sign_in(person))
    for token in (chain[0], unseen, expired):
        setup.back_date(token.session_id, 60)
    setup.sql("UPDATE sessions SET idle_expires_at = 1 WHERE id = :id", id=UUID(expired.session_id))
    recovery.start(admin, 3600)
    adopted = token_answer(oauth.refresh(chain[3].refresh_token))
    opened = token_answer(oauth.sign_in(person))
    steps: list[int] = []
    assert recovery.end_unseen(admin, steps.append) == 2
    assert steps == [2]
    for token in (unseen, expired):
        assert setup.session(token.session_id).revoked_because == "unseen"
    assert token_answer(oauth.refresh(adopted.refresh_token))
    assert token_answer(oauth.refresh(opened.refresh_token))
    assert recovery.end_unseen(admin) == 0


def test_a_recovery_that_is_declared_again_goes_on_and_one_that_is_over_does_not(
    oauth: OAuth, setup: Setup, admin: Administration, person: Person
):
    token = token_answer(oauth.sign_in(person))
    began = recovery.start(admin, 3600).started_at
    setup.sql("UPDATE recoveries SET started_at = started_at - 60000")
    setup.back_date(token.session_id, 30)  # it was seen since the recovery began
    again = recovery.start(admin, 7200)
    assert (again.started_at, again.until >= began + 7_200_000) == (began - 60_000, True)
    assert recovery.end_unseen(admin) == 0
    recovery.stop(admin)
    assert recovery.start(admin, 3600).started_at >= began
    assert recovery.end_unseen(admin) == 1


@pytest.mark.parametrize("seconds", [0, 7 * 86_400 + 1])
def test_a_recovery_is_bounded_in_time(setup: Setup, admin: Administration, seconds: int):
    with pytest.raises(Invalid, match="at most 7 days"):
        recovery.start(admin, seconds)
    assert recovery.status(admin) is None


def test_a_recovery_leaves_out_status_indices_that_lost_sessions_may_have(setup: Setup, admin: Administration):
    ((before,),) = setup.sql("SELECT next_index FROM status_counter")
    recovery.start(admin, 3600)
    ((after,),) = setup.sql("SELECT next_index FROM status_counter")
    assert after >= before + 2**20
