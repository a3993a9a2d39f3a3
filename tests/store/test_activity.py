"""The counts of requests reach the rows once, from any number of processes, and an outage loses none."""

import json
import subprocess
import sys

import pytest

from authserver.administration import activity as use_cases
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.database.batches import Batches
from authserver.operations.housekeeping import Housekeeping
from authserver.records import activity
from authserver.records.activity import ACTIVE_SESSIONS, BUCKET_MS, Activity
from tests.support.databases import on_both_databases, on_sqlite
from tests.support.oauth import OAuth, Person
from tests.support.server import ROOT, LiveServer
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases

DAY_MS = 86_400_000


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


def counts(setup: Setup) -> dict[str, int]:
    """The rows, summed over time."""
    rows = setup.sql("SELECT name, sum(count) AS n FROM activity GROUP BY name")
    return {row.name: int(row.n) for row in rows}


# --- counting --------------------------------------------------------------------------------------------------------


def test_what_happened_is_counted_by_its_name(oauth: OAuth, person: Person, setup: Setup, housekeeping: Housekeeping):
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    token_answer(oauth.refresh(first.refresh_token))  # the same token again: a retry
    assert oauth.sign_in(Person(person.id, person.username, "wrong password")).status_code == 400
    assert oauth.refresh("asrt_nonsense").status_code == 400
    for _ in range(2):  # the second call ends nothing
        assert oauth.revoke(first.refresh_token).status_code == 200
    assert counts(setup) == {}, "the requests themselves write nothing"
    housekeeping.flush()
    assert counts(setup) == {
        "sign_in": 1,
        "refresh.rotated": 1,
        "refresh.retried": 1,
        "refusal.wrong_password": 1,
        "refusal.token_malformed": 1,
        "sign_out": 1,
    }


def test_a_flush_adds_to_what_is_there_and_counts_nothing_twice(setup: Setup):
    counted = Activity()
    for turn in (1, 2, 3):
        counted.count("sign_in")
        counted.flush(setup.database)
        counted.flush(setup.database)
        assert counts(setup) == {"sign_in": turn}


def test_a_flush_that_fails_keeps_the_counts(setup: Setup):
    counted = Activity()
    counted.count("sign_in")
    setup.sql("ALTER TABLE activity RENAME TO away")
    with pytest.raises(Exception, match="activity"):
        counted.flush(setup.database)
    counted.count("sign_in")
    setup.sql("ALTER TABLE away RENAME TO activity")
    counted.flush(setup.database)
    assert counts(setup) == {"sign_in": 2}


def test_more_names_than_one_statement_takes_are_all_written(setup: Setup):
    counted = Activity()
    for number in range(450):
        counted.count(f"refusal.{number}")
    counted.flush(setup.database)
    assert len(counts(setup)) == 450


_FLUSHER = """
import sys
from pathlib import Path
from flask import Flask
from authserver.records.activity import Activity
from authserver.database.engine import open_database
from authserver.settings.model import load_settings
import os
database = open_database(Flask("flusher"), load_settings(None, os.environ))
names = [f"refusal.{number}" for number in range(20)]
counted = Activity()
print("ready", flush=True)
sys.stdin.readline()
for turn in range(50):
    for name in names if turn % 2 else reversed(names):
        counted.count(name)
    counted.flush(database)
"""


def test_processes_that_flush_the_same_bucket_at_once_lose_nothing(setup: Setup):
    environment = LiveServer(setup).environment()
    command = [sys.executable, "-c", _FLUSHER]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        _, problems = process.communicate("go\n", timeout=120)
        assert process.returncode == 0, problems
    assert counts(setup) == {f"refusal.{number}": 3 * 50 for number in range(20)}


def test_a_server_writes_what_it_holds_when_it_stops(live: LiveServer, person: Person, setup: Setup):
    with live.http() as http:
        oauth = OAuth(http, setup.an_app())
        for _ in range(4):
            token_answer(oauth.sign_in(person))
    live.stop()
    assert counts(setup)["sign_in"] == 4
    (row,) = setup.sql("SELECT secret_used_at FROM clients WHERE client_id = :id", id=oauth.app.client_id)
    assert row.secret_used_at is not None
    assert "housekeeping_put_off" not in live.log.read_text()


# --- samples ---------------------------------------------------------------------------------------------------------


def test_one_node_counts_the_live_sessions_of_a_bucket(
    oauth: OAuth, person: Person, setup: Setup, housekeeping: Housekeeping
):
    token_answer(oauth.sign_in(person))
    housekeeping.sample()
    token_answer(oauth.sign_in(person))
    rows = setup.sql("SELECT at, count FROM activity WHERE name = :name", name=ACTIVE_SESSIONS)
    assert rows[0].count == 1
    assert rows[0].at % BUCKET_MS == 0
    taken = activity.claim_sample(setup.database, ACTIVE_SESSIONS)
    assert taken is None or taken > rows[0].at, "the bucket has a sample, or the next one has begun"


def test_a_claimed_sample_that_nobody_wrote_is_a_gap(setup: Setup, admin: Administration):
    held_by_the_dead = activity.claim_sample(setup.database, ACTIVE_SESSIONS)
    assert held_by_the_dead is not None
    assert set(use_cases.read(admin, "hour").active) == {None}
    activity.write_sample(setup.database, ACTIVE_SESSIONS, held_by_the_dead, 7)
    assert [figure for figure in use_cases.read(admin, "hour").active if figure is not None] == [7]


# --- series ----------------------------------------------------------------------------------------------------------


def put(setup: Setup, age_ms: int, name: str, count: int) -> int:
    """A row of this age; returns its bucket."""
    at = (setup.database.now() - age_ms) // BUCKET_MS * BUCKET_MS
    setup.sql("INSERT INTO activity (at, name, count) VALUES (:at, :name, :count)", at=at, name=name, count=count)
    return at


@pytest.mark.parametrize(("span", "stretches"), [("hour", 12), ("day", 48), ("week", 28), ("month", 30)])
def test_a_span_has_its_stretches_filled_with_zeros(setup: Setup, admin: Administration, span: str, stretches: int):
    put(setup, 0, "sign_in", 3)
    put(setup, 40 * DAY_MS, "sign_in", 1000)
    report = use_cases.read(admin, span)
    assert len(report.starts) == len(report.active) == stretches
    assert sorted(report.sign_ins) == [0] * (stretches - 1) + [3]
    assert list(report.sign_outs) == [0] * stretches


def test_rows_of_one_stretch_are_summed_and_samples_are_not(setup: Setup):
    now = 20_000 * DAY_MS + 1
    starts = use_cases.SPANS["month"].starts(now)
    assert starts[-1] == 20_000 * DAY_MS
    put_at = starts[-1]
    for offset, active in ((0, 5), (BUCKET_MS, 9), (2 * BUCKET_MS, 6)):
        for name, count in (("refresh.rotated", 10), (ACTIVE_SESSIONS, active)):
            setup.sql("INSERT INTO activity (at, name, count) VALUES (:a, :n, :c)", a=put_at + offset, n=name, c=count)
    with setup.database.autocommit() as connection:
        rows = activity.read(connection, since=starts[0], width=starts.step)
    report = use_cases.report("month", starts, rows)
    assert report.refreshes["rotated"][-1] == 30
    assert report.active[-1] == 9
    assert not report.is_empty


def test_refusals_are_told_by_reason_the_most_frequent_first(setup: Setup, admin: Administration):
    put(setup, 0, "refusal.wrong_secret", 2)
    put(setup, 0, "refusal.wrong_password", 5)
    report = use_cases.read(admin, "day")
    assert [(reason, sum(figures)) for reason, figures in report.refusals.items()] == [
        ("wrong_password", 5),
        ("wrong_secret", 2),
    ]
    assert sum(use_cases.total(report.refusals)) == 7


def test_nothing_is_an_empty_report_and_an_unknown_span_is_refused(setup: Setup, admin: Administration):
    assert use_cases.read(admin, "week").is_empty
    with pytest.raises(Invalid, match="hour, day, week, month"):
        use_cases.read(admin, "year")


def test_counts_are_pruned_by_age(setup: Setup):
    put(setup, 3 * DAY_MS, "sign_in", 1)
    put(setup, DAY_MS // 2, "sign_in", 10)
    assert sum(activity.prune(Batches(setup.database, 10), keep=86_400)) == 1
    assert counts(setup) == {"sign_in": 10}


# --- the command -----------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_command_shows_a_table_and_json(setup: Setup):
    command = LiveServer(setup)  # not started, because the command needs no server
    empty = command.run("activity")
    assert empty.stdout.startswith("Nothing has happened in this time.")
    put(setup, 0, "sign_in", 41)
    put(setup, 0, "refusal.wrong_password", 43)
    shown = command.run("activity", "--span", "month")
    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["wrong_password", "43"] in lines
    assert len([line for line in lines if line[2:] == ["41", "0", "0", "43", "-"]]) == 1
    document = json.loads(command.run("activity", "--span", "hour", "--json").stdout)
    assert (sum(document["sign_ins"]), sum(document["refusals"]["wrong_password"])) == (41, 43)
    assert len(document["starts"]) == 12
