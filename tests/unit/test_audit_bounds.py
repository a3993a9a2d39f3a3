"""Refusals that any client can repeat are recorded at a bounded rate. The next event has the number of skipped ones."""

import json
import threading
from collections import Counter

import pytest

from authserver.records.audit import Entry, Event
from authserver.records.refusals import RefusalRecorder
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, refused_as
from tests.support.setup import Setup

REFUSED = Entry(Event.CLIENT_REFUSED, "server", detail={"reason": "wrong_secret"})


@pytest.fixture
def bounded(setup: Setup) -> RefusalRecorder:
    return RefusalRecorder(setup.database, rate=1.0, burst=3)


def admitted(bounded: RefusalRecorder, at: float, event: Event = Event.CLIENT_REFUSED) -> int | None:
    """The number of events skipped before, if `record` would write at this time in seconds; else None."""
    return bounded._admitted.admit(event, at)


def test_a_burst_is_recorded_and_then_one_each_second(bounded: RefusalRecorder):
    assert [admitted(bounded, 100.0) for _ in range(5)] == [0, 0, 0, None, None]
    assert admitted(bounded, 100.9) is None
    assert admitted(bounded, 101.1) == 3, "the three skipped events"
    assert admitted(bounded, 101.2) is None
    assert admitted(bounded, 102.2) == 1


def test_a_quiet_time_earns_no_more_than_a_burst(bounded: RefusalRecorder):
    assert admitted(bounded, 100.0) == 0
    assert [admitted(bounded, 10_000.0) for _ in range(5)] == [0, 0, 0, None, None]


def test_over_any_time_no_more_is_written_than_rate_and_burst_allow(bounded: RefusalRecorder):
    times = [100 + number / 50 for number in range(50 * 60)]
    results = [admitted(bounded, at) for at in times]
    written = [passed_over for passed_over in results if passed_over is not None]
    assert 60 <= len(written) <= 63
    assert len(written) + sum(written) >= len(results) - 50, "every refusal is written or counted"


def test_one_kind_of_event_does_not_crowd_out_another(bounded: RefusalRecorder):
    while admitted(bounded, 100.0) is not None:
        pass
    assert admitted(bounded, 100.0, Event.SIGN_IN_REFUSED) == 0


def test_the_pause_after_a_failure_begins_when_the_database_has_answered(bounded: RefusalRecorder):
    """It once began before the wait for the database, which is as long as the pause by default."""
    assert admitted(bounded, 100.0) == 0
    bounded._admitted.pass_over(Event.CLIENT_REFUSED, 1)
    bounded._admitted.pause(Event.CLIENT_REFUSED, 110.0, 10.0)
    assert [admitted(bounded, at) for at in (110.0, 119.9)] == [None, None]
    assert admitted(bounded, 120.1) == 3


def test_what_was_passed_over_stands_in_the_next_event(setup: Setup):
    bounded = RefusalRecorder(setup.database, rate=1e-9, burst=2)
    assert [bounded.record(REFUSED) for _ in range(7)] == [True, True, *[False] * 5]
    bounded._admitted._rate = 1e9  # as if a long time had passed
    assert bounded.record(REFUSED)
    details = [json.loads(row.detail) for row in setup.events(Event.CLIENT_REFUSED)]
    assert [detail.get("not_recorded_before", 0) for detail in details] == [0, 0, 5]
    assert {detail["reason"] for detail in details} == {"wrong_secret"}


@on_both_databases
def test_threads_together_stay_within_the_bound(setup: Setup):
    bounded = RefusalRecorder(setup.database, rate=1e-9, burst=10)
    results: list[bool] = []

    def hammer() -> None:
        results.extend(bounded.record(REFUSED) for _ in range(20))

    threads = [threading.Thread(target=hammer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(results) == {True: 10, False: 110}
    assert len(setup.events(Event.CLIENT_REFUSED)) == 10


def test_a_flood_of_refused_requests_writes_next_to_nothing(setup: Setup, oauth: OAuth):
    """Any client may send wrong passwords for many names, or a wrong secret, a thousand times a second."""
    before = len(setup.sql("SELECT id FROM audit_events"))
    wrong = oauth.as_app(type(oauth.app)(oauth.app.client_id, "wrong"))
    for number in range(30):  # as many wrong secrets as have no delay
        assert refused_as(wrong.own_token(), "invalid_client", 401)
        assert refused_as(oauth.token(grant_type="password", username=f"user-{number}", password="no"), "invalid_grant")
    assert 0 < len(setup.events(Event.CLIENT_REFUSED)) < 30
    assert 0 < len(setup.events(Event.SIGN_IN_REFUSED)) < 30
    assert len(setup.sql("SELECT id FROM audit_events")) - before < 45
