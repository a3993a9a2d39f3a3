"""A lease is held by one worker of all nodes, for as long as it extends it."""

from authserver.database.leases import Lease
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases
from tests.support.setup import Setup

pytestmark = on_both_databases


def a_lease(setup: Setup, work: str = "work", longest: float = 60) -> Lease:
    return Lease(setup.database, work, longest=longest)


def two(setup: Setup) -> tuple[Lease, Lease]:
    return a_lease(setup), a_lease(setup)


def run_out(setup: Setup) -> None:
    setup.sql("UPDATE leases SET until = until - 60001")


def test_of_many_workers_at_once_one_gets_the_lease(setup: Setup):
    for _ in range(2):  # when there is no row yet, and when there is one
        leases = [a_lease(setup) for _ in range(8)]
        assert sorted(threads_at_once(*[lambda lease=lease: lease.claim(60) for lease in leases])) == [False] * 7 + [
            True
        ]
        run_out(setup)


def test_kinds_of_work_do_not_wait_for_each_other(setup: Setup):
    assert a_lease(setup).claim(60)
    assert a_lease(setup, "other work").claim(60)


def test_a_lease_of_a_worker_that_died_runs_out(setup: Setup):
    dead, other = two(setup)
    assert dead.claim(60)
    assert not other.claim(60)
    run_out(setup)
    assert other.claim(60)


def test_a_worker_that_was_stopped_too_long_cannot_extend(setup: Setup):
    stopped, other = two(setup)
    assert stopped.claim(59)  # the lease of the other one, perhaps in the same millisecond, ends at another time
    run_out(setup)
    assert other.claim(60)
    assert not stopped.extend(60)
    stopped.finish()
    assert other.extend(60)


def test_a_lease_that_is_extended_does_not_run_out(setup: Setup):
    holder, other = two(setup)
    assert holder.claim(0.001)
    assert holder.extend(60)
    assert not other.claim(60)


def test_a_lease_that_was_given_back_is_free_after_its_pause(setup: Setup):
    holder, other = two(setup)
    assert holder.claim(60)
    holder.finish(60)
    assert not holder.claim(60)
    assert not other.claim(60)
    run_out(setup)
    assert other.claim(60)
    other.finish()
    assert holder.claim(60)


def test_a_lease_that_goes_on_for_longer_than_any_may_is_free(setup: Setup):
    """The clock of the database was set back, or a long pause was made shorter in the settings."""
    holder, other = two(setup)
    assert holder.claim(60)
    assert not other.claim(60)
    setup.sql("UPDATE leases SET until = until + 31536000000")
    assert other.claim(60)
    assert not holder.extend(60)
    assert a_lease(setup, "housework", longest=3600).claim(3600)
    assert not a_lease(setup, "housework", longest=3600).claim(60)
    assert a_lease(setup, "housework", longest=60).claim(60)
