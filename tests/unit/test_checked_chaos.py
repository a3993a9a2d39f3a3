"""The check of the record of clients and thieves (tests/support/chaos_history.py) finds each thing that must not happen."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.chaos_history import Act, Fault, Judged, Rules, Seen, check

RULES = Rules(window=30, shorter=5, longer=100, recovery=2, lingers=5)
FAULTS = [Fault("a database that was paused", 100, 110)]


def request(act: Act, began: float, presented: str = "", received: str = "", **more: Any) -> Seen:
    made = Seen(act, began, began + 0.5, session="s", presented=presented, received=received)
    return replace(made, **more)


def refresh(began: float, presented: str, received: str, **more: Any) -> Seen:
    return request(Act.REFRESH, began, presented, received, **more)


def refused(began: float, presented: str, **more: Any) -> Seen:
    return refresh(began, presented, "", status=400, error="invalid_grant", **more)


def replay(began: float, presented: str, received: str) -> Seen:
    return refresh(began, presented, received, by_thief=True)


def refused_replay(began: float, presented: str) -> Seen:
    return refused(began, presented, by_thief=True)


def aged(began: float) -> Seen:
    return request(Act.AGE, began, seconds=150)


SIGN_IN = request(Act.SIGN_IN, 0, received="a")
ROTATED = [SIGN_IN, refresh(1, "a", "b")]
TWICE = [*ROTATED, refresh(3, "b", "c")]


def judge(*history: Seen) -> Judged:
    return check(history, FAULTS, RULES)


GOOD = {
    "a kept token": [SIGN_IN, refresh(1, "a", "a")],
    "a lost answer and its retry": [
        *ROTATED,
        refresh(101, "b", "", status=0),
        refresh(102, "b", "", status=503),
        refresh(111, "b", "c"),
    ],
    "a lost answer within the time to recover": [SIGN_IN, refresh(111.9, "a", "", status=0), refresh(113, "a", "b")],
    "a client that goes on after its sign-out": [SIGN_IN, request(Act.SIGN_OUT, 1, "a"), refused(2, "a")],
    "a sign-out without an answer": [SIGN_IN, request(Act.SIGN_OUT, 101, "a", status=0), refused(102, "a")],
    "a thief within the window": [*ROTATED, replay(2, "a", "b"), refresh(3, "b", "c")],
    "a thief who is found": [*TWICE, refused_replay(4, "a"), refused(5, "c")],
    "a thief whose replay got no answer": [
        *TWICE,
        refresh(101, "a", "", status=0, by_thief=True),
        refused(102, "c"),
    ],
    "a thief whose replay was worked at after its connection broke": [
        *ROTATED,
        refresh(101, "a", "", status=0, by_thief=True),
        refresh(103, "b", "c"),
        refused(106, "c"),
    ],
    "a thief after an aging that may have failed": [
        *ROTATED,
        replace(aged(101), status=0),
        replay(102, "a", "b"),
        replace(aged(103), status=0),
        refused_replay(104, "a"),
        refused(105, "b"),
    ],
    "a thief at the edge of the window": [*ROTATED, refused_replay(30, "a"), refused(31, "b")],
    "a thief at the same time as the client": [
        *ROTATED,
        refresh(3, "b", "c", ended=5),
        refused_replay(4, "a"),
        refused(6, "c"),
    ],
}

BAD = {
    "a refused client": ("false sign-out", [*ROTATED, refused(3, "b")]),
    "a client that is refused after a thief within the window": (
        "false sign-out",
        [*ROTATED, refused_replay(2, "a"), refused(3, "b")],
    ),
    "a client that is refused after a thief who was answered": (
        "false sign-out",
        [*ROTATED, refresh(29, "b", "b"), replay(30, "a", "b"), refused(31, "b")],
    ),
    "a client that is refused after a replay within the window that got no answer": (
        "false sign-out",
        [SIGN_IN, refresh(99, "a", "b"), refresh(101, "a", "", status=0, by_thief=True), refused(102, "b")],
    ),
    "a client that is refused before its sign-out": (
        "false sign-out",
        [SIGN_IN, refused(1, "a"), request(Act.SIGN_OUT, 2, "a")],
    ),
    "an old token that is accepted": ("undetected reuse: an old token was accepted", [*TWICE, replay(4, "a", "b")]),
    "a late predecessor that is accepted": (
        "undetected reuse: an old token was accepted",
        [*ROTATED, aged(2), replay(3, "a", "b")],
    ),
    "a session that outlives a reuse": (
        "undetected reuse: a session outlived it",
        [*TWICE, refused_replay(4, "a"), refresh(5, "c", "c")],
    ),
    "two successors of one token": ("double spend", [*ROTATED, replay(2, "a", "x")]),
    "a token that lives beside its successor": ("double spend", [*ROTATED, replay(2, "a", "a")]),
    "a token that is accepted after the sign-out": (
        "a token was accepted after its session was signed out",
        [SIGN_IN, request(Act.SIGN_OUT, 1, "a"), refresh(2, "a", "a")],
    ),
    "an internal error": ("a refresh got 500", [SIGN_IN, refresh(101, "a", "", status=500)]),
    "a refused sign-in": ("a sign-in got 400 invalid_grant", [replace(SIGN_IN, status=400, error="invalid_grant")]),
    "another refusal": (
        "a refresh got 400 invalid_request",
        [SIGN_IN, request(Act.SIGN_OUT, 1, "a"), replace(refused(2, "a"), error="invalid_request")],
    ),
    "a 503 before the fault": ("a refresh was put off before any fault: 503", [refresh(99, "a", "", status=503)]),
    "a 503 after the time to recover": (
        "a refresh was put off 2.1 s after a database that was paused: 503",
        [refresh(112.1, "a", "", status=503)],
    ),
    "no answer without a fault": (
        "a sign-out was put off before any fault: 0",
        [request(Act.SIGN_OUT, 1, "a", status=0)],
    ),
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_what_may_happen_is_no_problem(history: list[Seen]):
    assert judge(*history).problems == []


@pytest.mark.parametrize(("problem", "history"), BAD.values(), ids=BAD)
def test_what_must_not_happen_is_found(problem: str, history: list[Seen]):
    assert any(found.startswith(problem) for found in judge(*history).problems)


def test_each_bad_history_has_one_kind_of_problem():
    kinds = [{found.partition("\n")[0] for found in judge(*history).problems} for _, history in BAD.values()]
    assert {len(found) for found in kinds} == {1}


def test_an_answer_of_one_session_excuses_nothing_in_another():
    theft = [replace(seen, session="another") for seen in (*TWICE, refused_replay(4, "a"), refused(5, "c"))]
    (found,) = judge(*theft, *ROTATED, refused(5, "b")).problems
    assert found.splitlines() == [
        "false sign-out",
        "  5.50 to 5.00 client sign-in 200 0",
        "  4.50 to 4.00 client refresh 200 0 to newest",
        "  0.50 to 0.00 client refresh 400 newest",
    ]


def test_thefts_that_were_judged_are_counted():
    judged = judge(*TWICE, replay(3.6, "b", "c"), refused_replay(4, "a"), refused(5, "c"))
    assert (judged.reuses, judged.retries, judged.problems) == (1, 1, [])
