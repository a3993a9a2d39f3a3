"""A live server that counts in Redis: it is restarted in the middle of sign-ins, and the doctor looks at it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from authserver.administration.doctor import counts, survey
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges
from authserver.throttling.outside import FallingBack, StoreReport
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slot, Slots
from authserver.throttling.stores import look, open_counters
from tests.support.hasher import until
from tests.support.healthy import admin, findings, make_healthy
from tests.support.oauth import App, OAuth, Person
from tests.support.redis_server import PASSWORD, RedisServer
from tests.support.server import ROOT, ForkedServer, LiveServer
from tests.support.setup import Setup

TOKEN = "a-metrics-token-of-the-tests"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def live(setup: Setup, redis: RedisServer) -> Iterator[LiveServer]:
    server = ForkedServer(
        setup,
        workers=2,
        AUTHSERVER_THROTTLING__STORE=redis.url,
        AUTHSERVER_THROTTLING__PLACE="5",
        AUTHSERVER_THROTTLING__LONGEST_DELAY="3600",
        AUTHSERVER_METRICS__TOKEN=TOKEN,
    ).start()
    yield server
    server.stop()


def metric(live: LiveServer, name: str) -> float:
    """The sum of a metric over its labels."""
    with live.http() as http:
        text = http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def wrong_passwords_checked(live: LiveServer, person: Person) -> int:
    """Of a dozen, over connections that any worker may take."""
    statuses = []
    for _ in range(12):
        with live.http() as http:
            app = OAuth(http, App("guesser", None))
            statuses.append(app.sign_in(replace(person, password="wrong")).status_code)
    return statuses.count(400)


def await_sign_ins(answers: list[int]) -> None:
    count = len(answers)
    until(lambda: len(answers) > count + 20)


def test_a_restart_of_the_store_in_the_middle_of_sign_ins_fails_none_of_them(
    live: LiveServer, redis: RedisServer, setup: Setup
):
    setup.an_app(client_id="guesser", public=True)
    assert wrong_passwords_checked(live, setup.a_person()) == 5, "in two workers together"
    people = [setup.a_person() for _ in range(4)]
    answers: list[int] = []
    done = threading.Event()

    def sign_in_again_and_again(person: Person) -> None:
        with live.http() as http:
            app = OAuth(http, setup.an_app(public=True))
            while not done.is_set():
                answers.append(app.sign_in(person).status_code)

    threads = [threading.Thread(target=sign_in_again_and_again, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    try:
        for fault, mend in ((redis.stop, redis.start), (redis.pause, redis.resume)):
            before = metric(live, "authserver_throttle_store_failures_total")
            await_sign_ins(answers)
            fault()
            until(lambda: metric(live, "authserver_throttle_store_away") >= 1)
            assert metric(live, "authserver_throttle_store_failures_total") > before
            await_sign_ins(answers)
            assert 5 <= wrong_passwords_checked(live, setup.a_person()) <= 10, "each of two workers counts for itself"
            mend()
            until(lambda: metric(live, "authserver_throttle_store_away") == 0)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200}
    log = live.log.read_text()
    assert "throttle_store_failed" in log
    assert PASSWORD not in log
    assert wrong_passwords_checked(live, setup.a_person()) == 5, "the store counts for both workers again"


def test_a_sign_in_is_four_statements_and_two_calls(
    setup: Setup, redis: RedisServer, person: Person, request: pytest.FixtureRequest
):
    setup.settings = setup.with_settings(throttling=ThrottlingSettings(store=SecretStr(redis.url)))
    oauth, statements = request.getfixturevalue("oauth"), request.getfixturevalue("statements")
    assert oauth.sign_in(person).status_code == 200, "fills the caches, and leases a block of status indices"
    before = redis.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    with statements.counted() as seen:
        assert oauth.sign_in(person).status_code == 200
    assert len(seen) == 4
    assert redis.client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 2


def found(setup: Setup) -> dict[str, str]:
    """The findings about the store, by their names, with their severity and reason."""
    seen = findings(setup)
    assert PASSWORD not in str(seen)
    return {one.check: f"{one.severity}: {one.reason}" for one in seen if one.check.startswith("counts.")}


def test_the_doctor_says_what_is_wrong_with_the_store(setup: Setup, redis: RedisServer):
    make_healthy(setup)
    assert found(setup) == {}
    setup.settings = setup.with_settings(throttling=ThrottlingSettings(store=SecretStr(redis.url)))
    lost = "and the failures in a row: strangers then have 100 more attempts at each account"
    nothing = f"warning: it writes nothing to a disk, so a restart forgets all counts, {lost}"
    assert found(setup) == {"counts.persistence": nothing}
    redis.client.config_set("save", "60 1")
    assert found(setup)["counts.persistence"].startswith("note: it keeps no log")
    redis.client.config_set("appendonly", "yes")
    assert found(setup) == {}
    redis.client.config_set("maxmemory", "100mb")
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    assert "forgets counts (allkeys-lru)" in found(setup)["counts.eviction"]
    redis.client.config_set("maxmemory-policy", "noeviction")
    redis.client.config_set("maxmemory", "1")
    assert "(full)" in found(setup)["counts.away"]
    redis.client.config_set("maxmemory", "0")
    redis.client.replicaof("127.0.0.1", str(redis.port))
    assert "(read_only)" in found(setup)["counts.away"]
    redis.client.replicaof("NO", "ONE")
    redis.client.config_set("requirepass", "another")
    assert "(login)" in found(setup)["counts.away"]
    redis.stop()
    (away,) = found(setup).values()
    assert away.startswith("error: ")
    assert "Connection refused" in away
    assert "each worker counts for itself" in away


def test_the_doctor_counts_the_names_at_their_limit_in_the_store(setup: Setup, redis: RedisServer):
    make_healthy(setup)
    redis.client.config_set("appendonly", "yes")
    limit = ThrottlingSettings(strangers_in_a_row=3, store=SecretStr(redis.url))
    setup.settings = setup.with_settings(throttling=limit)
    counters, slots = admin(setup).counts.counters, admin(setup).counts.slots
    for _ in range(2):
        assert counters.charge(Charges((), slots.strangers("anna"))) is None
    assert found(setup) == {}
    assert counters.charge(Charges((), slots.strangers("anna"))) is None
    assert counters.charge(Charges((), slots.strangers("berta"))) is None
    (one,) = [one for one in findings(setup) if one.check == "counts.strangers-in-a-row"]
    assert one.subject == "1 name"
    redis.stop()
    assert found(setup).keys() == {"counts.away"}, "it is not counted, and the other finding says why"


@pytest.mark.parametrize(
    ("version", "said"), [((6, 0), "version 6.0.16 is older than 6.2"), ((7, 2), None), ((), None)]
)
def test_a_version_that_cannot_count_is_told_and_one_that_is_not_known_is_not(
    setup: Setup, version: tuple[int, ...], said: str | None
):
    make_healthy(setup)
    seen = replace(survey.take(admin(setup)), counts=StoreReport(version="6.0.16", understands=version))
    reasons = [one.reason for one in counts.version(seen)]
    assert [said in one for one in reasons] == [True] if said else reasons == []


def test_a_user_of_redis_with_the_documented_rights_can_count_and_be_looked_at(setup: Setup, redis: RedisServer):
    (rights, more) = re.findall(r"`([~+][^`]+)`", (ROOT / "docs/operating.md").read_text())
    redis.client.execute_command("ACL", "SETUSER", "authserver", "on", ">word", *rights.split())
    url = f"redis://authserver:word@127.0.0.1:{redis.port}/1"
    settings = setup.with_settings(throttling=ThrottlingSettings(place=3, store=SecretStr(url)))
    counters = open_counters(settings, setup.database, Rules.of(settings.throttling), Slots(bytes(32)))
    attempt = Charges(((Kind.PLACE, Slot(1, 1)),), Slot(1, 1))
    assert [counters.charge(attempt) is None for _ in range(4)] == [True] * 3 + [False]
    counters.refund(attempt, clear=True, end=False)
    assert isinstance(counters, FallingBack)
    assert counters.read(attempt).strangers == counters.lift(attempt).strangers is not None
    assert counters.charge(attempt) is None
    assert counters.delayed()[None].number == 0
    assert not counters.is_away
    assert redis.client.info("keyspace")["db1"]["keys"] == 2
    assert look(settings) == StoreReport(), "it may not tell more"
    redis.client.execute_command("ACL", "SETUSER", "authserver", *more.split())
    seen = look(settings)
    assert seen is not None
    assert (seen.version, seen.has_log, seen.has_snapshots) == (redis.client.info()["redis_version"], False, False)


def test_without_the_library_the_start_says_what_to_install():
    without = "import sys; sys.modules['redis'] = None; from authserver.__main__ import main; main()"
    store = {"AUTHSERVER_THROTTLING__STORE": f"redis://:{PASSWORD}@127.0.0.1/0"}
    line = [sys.executable, "-c", without, "serve"]
    done = subprocess.run(line, env=store, cwd=ROOT, capture_output=True, text=True, check=False)
    told = "AUTHSERVER_THROTTLING__STORE: needs the client library of Redis: pip install 'authserver[redis]'"
    assert (done.returncode, done.stderr) == (1, f"error: {told}\n")
