"""The decision table of docs/architecture.md, row by row and in its order, without a database."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from authserver.clients.model import Client
from authserver.records.audit import Caller
from authserver.refusals.reasons import Reason
from authserver.sessions.decision import Act, Decision, Presented, decide, is_foreign
from authserver.sessions.model import SessionRecord

NOW = 1_000_000_000_000
SECOND = 1000
CURRENT, PREVIOUS, OLDER = b"current", b"previous", b"older"
HOME = Caller("192.0.2.1", "App/1.0")
CLIENT = Client(
    client_id="app",
    auth_methods=frozenset({"none"}),
    secret_digests=(),
    grants=frozenset({"refresh_token"}),
    scopes=frozenset(),
    default_scopes=frozenset(),
    default_api=None,
    refresh_policy="rotate",
    retry_window=30,
    late_retries=0,
    refuse_foreign_retries=False,
    sends_user_address=False,
    access_token_lifetime=900,
    refresh_idle_lifetime=3600,
    refresh_absolute_lifetime=7200,
    max_sessions_per_user=None,
    enabled=True,
    epoch=3,
    status_index=1,
    access_token_format=None,
    token_delivery="json",
    origins=frozenset(),
)


def a_row(**changes: Any) -> SessionRecord:
    """A live session of the client at generation 7, rotated 10 s ago."""
    columns: dict[str, Any] = {
        "client_id": "app",
        "client_epoch": 3,
        "generation": 7,
        "current_digest": CURRENT,
        "current_presented": False,
        "previous_digest": PREVIOUS,
        "rotated_at": NOW - 10 * SECOND,
        "recent_late_retries": 0,
        "idle_expires_at": NOW + 1,
        "absolute_expires_at": NOW + 1,
        "last_address": "192.0.2.1",
        "last_user_agent": "App/1.0",
    }
    return SessionRecord(**columns | changes)


CURRENT_TOKEN = Presented(7, CURRENT, leaked=False)
PREDECESSOR = Presented(6, PREVIOUS, leaked=False)
OLDER_TOKEN = Presented(5, OLDER, leaked=False)
FUTURE_TOKEN = Presented(8, b"future", leaked=False)
TOKENS = (CURRENT_TOKEN, PREDECESSOR, OLDER_TOKEN, FUTURE_TOKEN)

REFUSALS: dict[Reason, dict[str, Any]] = {
    Reason.SESSION_OF_OTHER_CLIENT: {"client_id": "other"},
    Reason.SESSION_REVOKED: {"revoked_at": NOW - 1},
    Reason.SESSION_CLIENT_EPOCH: {"client_epoch": 2},
    Reason.SESSION_EXPIRED: {"absolute_expires_at": NOW},
}


def verdict(
    token: Presented,
    row: SessionRecord | None = None,
    caller: Caller = HOME,
    *,
    recovering: bool = False,
    **of_client: Any,
) -> Decision:
    client = replace(CLIENT, **of_client)
    window_ms = client.retry_window * SECOND
    return decide(row or a_row(), token, client, caller, NOW, window_ms=window_ms, recovering=recovering)


# --- refused, and nothing is changed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("recovering", [False, True])
@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("reason", REFUSALS)
def test_an_ended_session_or_a_foreign_one_is_refused_with_any_token(
    token: Presented, reason: Reason, *, recovering: bool
):
    assert verdict(token, a_row(**REFUSALS[reason]), recovering=recovering) == Decision(Act.REFUSE, reason)


@pytest.mark.parametrize("column", ["idle_expires_at", "absolute_expires_at"])
def test_a_session_expires_at_the_earlier_of_its_ends_to_the_millisecond(column: str):
    assert verdict(CURRENT_TOKEN, a_row(**{column: NOW})).reason is Reason.SESSION_EXPIRED
    assert verdict(CURRENT_TOKEN, a_row(**{column: NOW + 1})).act is Act.ROTATE


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(REFUSALS, 2)))
def test_of_two_reasons_to_refuse_the_one_higher_in_the_table_is_told(first: Reason, second: Reason):
    assert verdict(CURRENT_TOKEN, a_row(**REFUSALS[first], **REFUSALS[second])).reason is first


@pytest.mark.parametrize("token", TOKENS)
def test_a_session_of_a_newer_epoch_than_the_cached_client_asks_for_a_newer_copy(token: Presented):
    assert verdict(token, a_row(client_epoch=4)).act is Act.REREAD_CLIENT


# --- the database went back in time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("leaked", [False, True])
@pytest.mark.parametrize("generation", [8, 2**32 - 1])
def test_a_generation_newer_than_the_row_is_deferred(generation: int, *, leaked: bool):
    token = Presented(generation, b"future", leaked)
    assert verdict(token) == Decision(Act.DEFER, Reason.SESSION_FROM_THE_FUTURE)


def test_a_newer_generation_is_decided_before_its_digest():
    assert verdict(Presented(8, PREVIOUS, leaked=False)).act is Act.DEFER


@pytest.mark.parametrize("generation", [8, 9, 2**32 - 2])
def test_a_newer_generation_is_adopted_while_a_recovery_is_on(generation: int):
    assert verdict(Presented(generation, b"future", leaked=False), recovering=True) == Decision(Act.ADOPT)


def test_a_recovery_adopts_nothing_under_a_leaked_key():
    token = replace(FUTURE_TOKEN, leaked=True)
    assert verdict(token, recovering=True) == Decision(Act.REFUSE, Reason.TOKEN_LEAKED_KEY)


@pytest.mark.parametrize(("recovering", "act"), [(False, Act.DEFER), (True, Act.ADOPT)])
def test_the_idle_expiry_of_a_row_that_lost_its_last_uses_does_not_count(act: Act, *, recovering: bool):
    row = a_row(idle_expires_at=NOW)
    assert verdict(FUTURE_TOKEN, row, recovering=recovering).act is act
    assert verdict(OLDER_TOKEN, row, recovering=recovering).reason is Reason.SESSION_EXPIRED


@pytest.mark.parametrize("token", [CURRENT_TOKEN, PREDECESSOR, OLDER_TOKEN])
@pytest.mark.parametrize("age", [10, 31])
def test_a_recovery_changes_nothing_for_a_token_that_is_not_newer(token: Presented, age: int):
    row = a_row(rotated_at=NOW - age * SECOND)
    assert verdict(token, row, recovering=True) == verdict(token, row)


ADOPTED = {"previous_digest": None, "current_presented": True}


@pytest.mark.parametrize(("age", "act"), [(0, Act.DEFER), (29_999, Act.DEFER), (30_000, Act.END), (-60_000, Act.DEFER)])
@pytest.mark.parametrize("generation", [0, 5, 6])
def test_an_older_token_is_put_off_for_a_window_after_an_adoption(generation: int, age: int, act: Act):
    # The direct predecessor is not known: an honest app may have sent it before it got the newer one.
    found = verdict(Presented(generation, b"x", leaked=False), a_row(**ADOPTED, rotated_at=NOW - age), late_retries=9)
    reason = Reason.SESSION_JUST_ADOPTED if act is Act.DEFER else Reason.TOKEN_REUSED
    assert found == Decision(act, reason)


def test_another_token_of_the_adopted_generation_is_reuse_at_once():
    # Two tokens of one generation are of two histories: each was made from a token that the other one used as well.
    assert verdict(Presented(7, b"another", leaked=False), a_row(**ADOPTED)).act is Act.END


def test_after_an_adoption_window_0_still_means_strict_single_use():
    assert verdict(OLDER_TOKEN, a_row(**ADOPTED, rotated_at=NOW), retry_window=0).act is Act.END


def test_an_older_token_under_a_leaked_key_is_refused_after_an_adoption_too():
    token = replace(OLDER_TOKEN, leaked=True)
    assert verdict(token, a_row(**ADOPTED)) == Decision(Act.REFUSE, Reason.TOKEN_LEAKED_KEY)


# --- the direct predecessor ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "act"),
    [
        (0, Act.RETRY),
        (29_999, Act.RETRY),
        (30_000, Act.END),
        (30_001, Act.END),
        (-60_000, Act.RETRY),  # the clock went back, as in a failover to another host
    ],
)
def test_the_predecessor_is_a_retry_while_it_was_superseded_less_than_the_window_ago(age: int, act: Act):
    assert verdict(PREDECESSOR, a_row(rotated_at=NOW - age)).act is act


def test_window_0_means_strict_single_use():
    assert verdict(PREDECESSOR, a_row(rotated_at=NOW), retry_window=0) == Decision(Act.END, Reason.TOKEN_REUSED)


@pytest.mark.parametrize("presented", [False, True])
def test_within_the_window_it_does_not_matter_whether_the_successor_was_presented(*, presented: bool):
    assert verdict(PREDECESSOR, a_row(current_presented=presented), late_retries=1).act is Act.RETRY


LATE = {"rotated_at": NOW - 31 * SECOND}


@pytest.mark.parametrize(
    ("columns", "of_client", "act"),
    [
        ({}, {"late_retries": 0}, Act.END),
        ({}, {"late_retries": 1}, Act.RETRY_LATE),
        ({"recent_late_retries": 1}, {"late_retries": 1}, Act.END),
        ({"recent_late_retries": 1}, {"late_retries": 2}, Act.RETRY_LATE),
        ({"current_presented": True}, {"late_retries": 1}, Act.END),
    ],
)
def test_a_late_retry_needs_the_client_that_allows_it_and_a_successor_never_presented(
    columns: dict[str, Any], of_client: dict[str, Any], act: Act
):
    assert verdict(PREDECESSOR, a_row(**LATE, **columns), **of_client).act is act


def test_a_late_retry_is_for_the_direct_predecessor_alone():
    assert verdict(OLDER_TOKEN, a_row(**LATE), late_retries=9).act is Act.END


# --- retries from elsewhere ------------------------------------------------------------------------------------------

ELSEWHERE = Caller("198.51.100.9", "curl/8")


@pytest.mark.parametrize(
    ("caller", "foreign"),
    [
        (HOME, False),
        (Caller("198.51.100.9", "App/1.0"), False),  # a phone that changed its network
        (Caller("192.0.2.1", "App/1.1"), False),  # an updated app
        (ELSEWHERE, True),
        (Caller(None, None), True),
    ],
)
def test_a_retry_is_from_elsewhere_when_address_and_user_agent_both_differ(caller: Caller, *, foreign: bool):
    assert is_foreign(a_row(), caller) is foreign


@pytest.mark.parametrize("row", [a_row(), a_row(**LATE)], ids=["in the window", "late"])
def test_a_client_may_refuse_retries_from_elsewhere(row: SessionRecord):
    refused = verdict(PREDECESSOR, row, ELSEWHERE, refuse_foreign_retries=True, late_retries=1)
    assert refused == Decision(Act.REFUSE, Reason.RETRY_FROM_ELSEWHERE)
    assert verdict(PREDECESSOR, row, ELSEWHERE, late_retries=1).act in (Act.RETRY, Act.RETRY_LATE)
    assert verdict(PREDECESSOR, row, HOME, refuse_foreign_retries=True, late_retries=1).act is not Act.REFUSE


def test_what_is_reuse_is_reuse_from_elsewhere_too():
    # Refusing it for its place would leave the session to the thief.
    assert verdict(PREDECESSOR, a_row(**LATE), ELSEWHERE, refuse_foreign_retries=True).act is Act.END


# --- reuse, and what is current after all ----------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [{}, LATE, {"rotated_at": None, "previous_digest": None}])
def test_any_other_superseded_token_is_reuse(columns: dict[str, Any]):
    assert verdict(OLDER_TOKEN, a_row(**columns), late_retries=9) == Decision(Act.END, Reason.TOKEN_REUSED)


def test_a_token_of_the_current_generation_with_another_secret_is_reuse():
    # The lost successor of a late retry, and other tokens of its generation.
    assert verdict(Presented(7, b"another", leaked=False)).act is Act.END


def test_a_mismatch_under_a_leaked_key_ends_nothing():
    assert verdict(replace(OLDER_TOKEN, leaked=True)) == Decision(Act.REFUSE, Reason.TOKEN_LEAKED_KEY)


def test_what_matches_under_a_leaked_key_is_served():
    assert verdict(replace(CURRENT_TOKEN, leaked=True)).act is Act.ROTATE
    assert verdict(replace(PREDECESSOR, leaked=True)).act is Act.RETRY


def test_a_token_that_is_current_after_all_is_looked_at_again():
    assert verdict(CURRENT_TOKEN) == Decision(Act.ROTATE)


def test_a_session_that_never_rotated_has_no_predecessor():
    fresh = a_row(generation=0, rotated_at=None, previous_digest=None)
    assert verdict(Presented(0, CURRENT, leaked=False), fresh).act is Act.ROTATE
    assert verdict(Presented(0, b"another", leaked=False), fresh).act is Act.END
