"""The simulation of lost answers and thieves gives the right answer in cases with a known answer."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.devices import Request, false_sign_outs, life, sign_outs
from benchmarks.rules import FORKING, OURS, OURS_LATE, POLICIES, STRICT, WINDOW, Policy
from benchmarks.thieves import THIEVES, play_thefts, theft

DUE = 810
GOOD = [Request(0, answered=True)]
#: The fates of a refresh that follows a good one, and its sign-outs under each policy.
CASES: dict[str, tuple[list[Request], dict[Policy, int]]] = {
    "answered": ([Request(DUE, answered=True)], {STRICT: 0, FORKING: 0, OURS: 0, OURS_LATE: 0}),
    "lost, and repeated within the window": (
        [Request(DUE, answered=False), Request(DUE + WINDOW - 1, answered=True)],
        {STRICT: 1, FORKING: 0, OURS: 0, OURS_LATE: 0},
    ),
    "lost, and repeated after it": (
        [Request(DUE, answered=False), Request(DUE + WINDOW, answered=True)],
        {STRICT: 1, FORKING: 1, OURS: 1, OURS_LATE: 0},
    ),
    "lost, and the late retry lost and repeated within its window": (
        [Request(DUE, answered=False), Request(DUE + 100, answered=False), Request(DUE + 110, answered=True)],
        {STRICT: 1, FORKING: 1, OURS: 1, OURS_LATE: 0},
    ),
    "lost, and the late retry lost for long": (
        [Request(DUE, answered=False), Request(DUE + 100, answered=False), Request(DUE + 200, answered=True)],
        {STRICT: 1, FORKING: 1, OURS: 1, OURS_LATE: 1},
    ),
    "two tabs at once": (
        [Request(DUE, answered=True), Request(DUE + 0.3, answered=True)],
        {STRICT: 1, FORKING: 0, OURS: 0, OURS_LATE: 0},
    ),
}


@pytest.mark.parametrize(("refresh", "expected"), CASES.values(), ids=CASES)
def test_known_mishaps_sign_out_whom_they_should(refresh: list[Request], expected: dict[Policy, int]):
    after = [Request(refresh[-1].at + DUE, answered=True)]
    assert {policy: sign_outs(policy, iter([GOOD, refresh, after])) for policy in POLICIES} == expected


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3 * WINDOW),
            st.lists(st.floats(0, WINDOW - 0.1), max_size=4).map(sorted),
        ),
        max_size=20,
    )
)
def test_a_repetition_within_the_window_is_never_signed_out_by_ours(
    refreshes: list[tuple[float, list[float]]],
):
    """The next refresh may come at any time, and any number of answers may be lost before one arrives."""
    now, played = 0.0, []
    for pause, repeats in refreshes:
        now += pause
        times = [now, *(now + delay for delay in repeats)]
        played.append([*(Request(at, answered=False) for at in times[:-1]), Request(times[-1], answered=True)])
        now = times[-1]
    assert sign_outs(OURS, iter(played)) == 0
    assert sign_outs(OURS_LATE, iter(played)) == 0


def test_strict_rotation_signs_out_at_every_mishap_and_at_no_other_time():
    lived = [refresh for device in range(5) for refresh in life(0.05, random.Random(device), days=5)]
    mishaps = sum(len(refresh) > 1 for refresh in lived)
    assert 0 < mishaps < len(lived)
    # Each device is played by itself: devices in a row would be one device whose time goes back.
    counted = sum(sign_outs(STRICT, life(0.05, random.Random(device), days=5)) for device in range(5))
    assert counted == mishaps


def test_a_device_lives_forward_and_refreshes_some_dozens_of_times_a_day():
    lived = list(life(0.01, random.Random(1)))
    times = [request.at for refresh in lived for request in refresh]
    assert times == sorted(times)
    assert 30 * 20 < len(lived) < 30 * 80


def test_the_figures_are_the_same_each_time_and_however_the_work_is_cut():
    whole = false_sign_outs(0.05, range(3))
    assert whole == false_sign_outs(0.05, range(3))
    parts = [false_sign_outs(0.05, range(device, device + 1)) for device in range(3)]
    assert whole == ([sum(counts) for counts in zip(*(one for one, _ in parts), strict=True)], sum(n for _, n in parts))
    assert play_thefts(1, 3, 10) == play_thefts(1, 3, 10)


def test_a_thief_who_watches_the_owner_is_found_at_once_by_strict_rotation_and_never_by_any_window():
    """This is the price of a window."""
    watching = next(place for place, thief in enumerate(THIEVES) if thief.watches)
    results = {policy: theft(watching, place, 1) for place, policy in enumerate(POLICIES)}
    assert results[STRICT].found_after == 0
    assert not results[STRICT].got_in
    for policy in (FORKING, OURS, OURS_LATE):
        assert results[policy].got_in
        assert results[policy].found_after is None


def test_a_thief_who_comes_right_after_exp_is_let_in_by_a_late_retry_alone_and_found_at_the_owners_next_refresh():
    place = next(place for place, thief in enumerate(THIEVES) if "after" in thief.name)
    with_late, without = (play_thefts(place, POLICIES.index(policy), 40) for policy in (OURS_LATE, OURS))
    assert without.got_in < with_late.got_in
    assert without.half == 0 < with_late.half
    assert with_late.never == 0
