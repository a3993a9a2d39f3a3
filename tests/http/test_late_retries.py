"""Late retries help apps that the system kills in mid-request, and never a thief."""

import json

import pytest

from authserver.refusals.reasons import Reason
from authserver.sessions.refresh_token import parse
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import TokenAnswer, reason, token_answer

pytestmark = on_both_databases


@pytest.fixture
def oauth(oauth: OAuth, setup: Setup) -> OAuth:
    """A mobile app, which may have one late retry."""
    return oauth.as_app(setup.an_app(public=True, late_retries=1))


def lose_an_answer(oauth: OAuth, setup: Setup, token: TokenAnswer) -> TokenAnswer:
    """Refresh as if the answer was lost, and let the window pass. Returns the lost answer."""
    lost = token_answer(oauth.refresh(token.refresh_token))
    setup.back_date(token.session_id, 31)
    return lost


def test_a_late_retry_gets_another_successor_one_generation_on(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lost = lose_an_answer(oauth, setup, first)
    late = token_answer(oauth.refresh(first.refresh_token))
    assert late.refresh_token != lost.refresh_token
    assert [parse(token.refresh_token).generation for token in (first, lost, late)] == [0, 1, 2]
    row = setup.session(first.session_id)
    assert (row.late_retries, row.recent_late_retries, row.revoked_at) == (1, 1, None)
    assert token_answer(oauth.refresh(late.refresh_token)).session_id == first.session_id


def test_every_late_retry_is_recorded(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    oauth.headers["User-Agent"] = "Another/1.0"
    token_answer(oauth.refresh(first.refresh_token))
    (event,) = setup.events("session.late_retry")
    assert event.user_agent == "Another/1.0"
    assert json.loads(event.detail) == {
        "presented_generation": 0,
        "current_generation": 2,
        "from_elsewhere": False,  # the same address
    }


def test_a_late_retry_repeated_gets_the_same_successor(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    late = token_answer(oauth.refresh(first.refresh_token))
    assert token_answer(oauth.refresh(first.refresh_token)).refresh_token == late.refresh_token
    assert setup.session(first.session_id).late_retries == 1


def test_the_lost_successor_is_dead_and_proves_a_second_holder(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lost = lose_an_answer(oauth, setup, first)
    late = token_answer(oauth.refresh(first.refresh_token))
    stolen = oauth.refresh(lost.refresh_token)
    assert refused_as(stolen, "invalid_grant")
    assert reason(setup, stolen) is Reason.TOKEN_REUSED
    assert refused_as(oauth.refresh(late.refresh_token), "invalid_grant"), "the session is over"
    assert len(setup.events("session.reuse")) == 1


def test_no_late_retry_once_the_successor_was_presented(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    assert token_answer(oauth.refresh(second.refresh_token)).refresh_token == second.refresh_token, (
        "the token was kept, because somebody has it"
    )
    setup.back_date(first.session_id, 31)
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED


def test_no_late_retry_once_the_successor_was_rotated(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    second = lose_an_answer(oauth, setup, first)
    token_answer(oauth.refresh(second.refresh_token))
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED


def test_no_more_late_retries_than_allowed_before_a_normal_rotation(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    lose_an_answer(oauth, setup, first)  # the late retry's own answer is lost, too
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED


def test_a_client_that_is_allowed_two_may_lose_two_answers_in_a_row(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(setup.an_app(late_retries=2))
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    lose_an_answer(oauth, setup, first)
    assert parse(token_answer(oauth.refresh(first.refresh_token)).refresh_token).generation == 3


def test_a_normal_rotation_gives_the_late_retry_back(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.sign_in(person))
    for late_so_far in range(3):
        assert setup.session(token.session_id).late_retries == late_so_far
        lose_an_answer(oauth, setup, token)
        late = token_answer(oauth.refresh(token.refresh_token))
        setup.back_date(token.session_id, 31)
        token = token_answer(oauth.refresh(late.refresh_token))
        assert setup.session(token.session_id).recent_late_retries == 0
        setup.back_date(token.session_id, 31)


def test_a_client_that_is_allowed_none_gets_none(oauth: OAuth, person: Person, setup: Setup):
    oauth = oauth.as_app(setup.an_app())
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    assert reason(setup, oauth.refresh(first.refresh_token)) is Reason.TOKEN_REUSED


def test_a_late_retry_that_asks_for_too_much_changes_nothing(oauth: OAuth, person: Person, setup: Setup):
    first = token_answer(oauth.sign_in(person))
    lose_an_answer(oauth, setup, first)
    before = setup.session(first.session_id)
    assert refused_as(oauth.refresh(first.refresh_token, scope="admin"), "invalid_scope")
    assert setup.session(first.session_id) == before
    assert token_answer(oauth.refresh(first.refresh_token)).session_id == first.session_id
