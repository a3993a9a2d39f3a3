"""Promise 6: the cost of a refresh does not grow with the sessions, and nothing grows under a constant load."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from pathlib import Path

import pytest

from authserver.settings.values import PasswordSettings
from benchmarks.contestants import some_users
from benchmarks.kinds import Target
from benchmarks.load import Load, Result
from benchmarks.processes import cpu_seconds, pss_mib, tree
from tests.support import postgres_programs as programs
from tests.support.many_sessions import ManySessions
from tests.support.memory import in_memory
from tests.support.postgres import Cluster
from tests.support.proof import Proof
from tests.support.pruning_metrics import METRICS_TOKEN, batches_within, pruned
from tests.support.server import LiveServer
from tests.support.setup import API, Setup, make_setup

pytestmark = pytest.mark.measures

CONNECTIONS = 8
ROUNDS = 5
#: The cost with the most sessions may be so many times the cost with the fewest.
MOST = 1.15
PASSWORD = "correct horse battery"
#: What the manual of PostgreSQL says that a server of its own gives it: a quarter of the memory.
_QUARTER_MIB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // 2**20
#: Tables whose rows come and go with sign-ins and time, so that their sizes have to stay flat.
FLAT = ("throttle_buckets", "throttle_strangers", "known_places", "activity", "visits")
#: MiB by which each of them may change. It is a few pages. A row left behind by each sign-in of the full form is about 0.5 MiB.
MOST_MIB = 0.25
#: What a batch of the clean-up may hold its locks for, in seconds: what docs/operating.md promises, and a stall of the disk.
PROMISED, STALL = 0.05, 0.5


@dataclass
class Crowd:
    """Nodes on a database with many sessions."""

    setup: Setup
    cluster: Cluster
    servers: list[LiveServer]
    target: Target
    sessions: ManySessions
    postmaster: int = field(init=False)

    def __post_init__(self) -> None:
        self.postmaster = int((self.cluster.directory / "data" / "postmaster.pid").read_text().split()[0])

    @property
    def pids(self) -> list[int]:
        """The roots of the nodes' processes."""
        return [server.process.pid for server in self.servers if server.process is not None]

    def with_tokens(self, numbers: list[int]) -> Target:
        """The first node, with the refresh tokens of these sessions."""
        return replace(self.target, tokens=self.sessions.tokens(numbers))

    def last_node(self) -> Target:
        """The last node."""
        return replace(self.target, port=self.servers[-1].port)


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A PostgreSQL with the memory that a server for millions of rows is given; on the disk in the full form."""
    made = Cluster(programs.newest(), place=in_memory() if request.config.getoption("--short") else None)
    made.configure(f"shared_buffers = '{_QUARTER_MIB}MB'", "max_wal_size = '8GB'", "checkpoint_timeout = '5min'")
    yield made
    made.remove()


@contextmanager
def crowd(cluster: Cluster, directory: Path, count: int, *, nodes: int = 1, **environment: str) -> Iterator[Crowd]:
    setup = make_setup("postgresql", directory, cluster, passwords=PasswordSettings(argon2_memory_kib=8))
    setup.an_api()
    app = setup.an_app(retry_window=0, access_token_lifetime=60)
    usernames = some_users(setup, PASSWORD, setup.hasher.hash(PASSWORD))
    sessions = ManySessions(setup, app, count)
    servers = [LiveServer(setup, AUTHSERVER_METRICS__TOKEN=METRICS_TOKEN, **environment) for _ in range(nodes)]
    assert app.secret is not None
    target = Target(servers[0].port, app.client_id, app.secret, usernames, PASSWORD, API)
    try:
        for server in servers:
            server.start()
        yield Crowd(setup, cluster, servers, target, sessions)
    finally:
        for server in servers:
            server.stop()
        setup.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU time for one refresh, in the server's processes and in PostgreSQL's, and the latencies."""

    server: float
    postgres: float
    result: Result

    @property
    def total(self) -> float:
        return self.server + self.postgres


def cost_of_a_refresh(crowd: Crowd, numbers: list[int]) -> Cost:
    """Refresh each of these sessions once. The load comes from another process."""
    with Load(crowd.with_tokens(numbers), CONNECTIONS) as load:
        load.run("refresh", CONNECTIONS * 20)  # warm up: open connections, prepare statements
        (node,) = crowd.pids
        own, postgres = cpu_seconds(node), cpu_seconds(crowd.postmaster)
        result = load.run("spread", len(numbers))
        own, postgres = cpu_seconds(node) - own, cpu_seconds(crowd.postmaster) - postgres
    count = len(result.latencies)
    return Cost(own / count * 1000, postgres / count * 1000, result)


def test_growth_of_cost(proof: Proof, cluster: Cluster, tmp_path: Path):
    """The cost of a refresh with ten thousand and with ten million sessions.

    Each refresh is of another session, picked at random: the row is rarely in a page that the last ones have read. The
    databases are measured in turn, so that a machine that becomes slower does so for all of them.
    """
    sizes = (10_000, 1_000_000, 10_000_000) if proof.full else (3_000, 60_000)
    each = proof.amount(300, 2_000)
    costs: dict[int, list[Cost]] = {size: [] for size in sizes}
    with ExitStack() as held:
        crowds = {size: held.enter_context(crowd(cluster, tmp_path / str(size), size)) for size in sizes}
        chosen = {size: proof.random.sample(range(size), each * ROUNDS) for size in sizes}
        for n, (size, many) in product(range(ROUNDS), crowds.items()):
            costs[size].append(cost_of_a_refresh(many, chosen[size][each * n : each * (n + 1)]))
    cheapest = {size: min(rounds, key=lambda cost: cost.total) for size, rounds in costs.items()}
    for size, best in cheapest.items():
        proof.figure(
            f"a refresh with {size:,} sessions, CPU of server + PostgreSQL",
            f"{best.server:.2f} + {best.postgres:.2f} ms; p50 {best.result.percentile(0.5):.1f} ms,"
            f" p99 {best.result.percentile(0.99):.1f} ms",
        )
    growth = cheapest[sizes[-1]].total / cheapest[sizes[0]].total
    proof.figure(f"cost with {sizes[-1]:,} in proportion to {sizes[0]:,}; at most {MOST}", f"{growth:.2f}")
    # The short form has too few requests for a figure this exact on a machine that CI shares.
    assert growth <= (MOST if proof.full else 2 * MOST)


@dataclass
class Watch:
    """Looks at nodes from outside while they work. Each list has one value for each look."""

    crowd: Crowd
    memory: list[float] = field(default_factory=list)  # MiB of all their processes
    tables: dict[str, list[float]] = field(default_factory=dict)  # MiB with the indexes
    opened: list[int] = field(default_factory=list)  # sessions, by the audit record
    other_events: list[int] = field(default_factory=list)  # of the audit record, not of a sign-in or sign-out

    def look(self) -> None:
        self.memory.append(sum(pss_mib(pid) for root in self.crowd.pids for pid in tree(root)))
        for table in ("sessions", "audit_events", *FLAT):
            (row,) = self.crowd.setup.sql(f"SELECT pg_total_relation_size('{table}') / 1048576.0 AS mib")
            self.tables.setdefault(table, []).append(float(row.mib))
        (events,) = self.crowd.setup.sql(
            "SELECT count(*) AS all, count(*) FILTER (WHERE event = 'session.opened') AS opened,"
            " count(*) FILTER (WHERE event = 'session.revoked') AS ended FROM audit_events"
        )
        self.opened.append(events.opened)
        self.other_events.append(events.all - events.opened - events.ended)


def slope(values: list[float]) -> float:
    """The change over the whole time as a share of the median.

    It is the median of the slopes between all pairs of values (Theil and Sen): a few looks into which a checkpoint fell move
    the line of least squares, and not this one.
    """
    slopes = [(after - before) / (j - i) for (i, before), (j, after) in combinations(enumerate(values), 2)]
    return statistics.median(slopes) * (len(values) - 1) / statistics.median(values)


def test_growth_under_load(proof: Proof, cluster: Cluster, tmp_path: Path):
    """A constant mixed load at a million sessions: memory, latency and tables stay flat.

    On two nodes sessions are opened, refreshed and ended all the time. The clean-up deletes the ended ones meanwhile. Time
    passes faster for ended sessions: each look makes the last access token of those that wait to be deleted expire.
    """
    count, seconds, looks = proof.amount(20_000, 1_000_000), proof.amount(5, 1200), proof.amount(4, 60)
    environment = {
        "AUTHSERVER_RETENTION__ENDED_SESSIONS": "0",
        "AUTHSERVER_RETENTION__PRUNE_INTERVAL": str(proof.amount(1, 60)),
    }
    with crowd(cluster, tmp_path, count, nodes=2, **environment) as many:
        watch, results = Watch(many), []
        rate = proof.amount(40, 100)
        numbers = proof.random.sample(range(count), min(count, rate * seconds))
        with (
            Load(many.with_tokens(numbers), CONNECTIONS) as refreshes,
            Load(many.last_node(), 2) as sign_ins,
            ThreadPoolExecutor(1) as beside,
        ):
            refreshes.run("spread", CONNECTIONS * 20)
            ended = threading.Event()
            in_and_out = beside.submit(_sign_in_and_out, sign_ins, ended, seconds / looks)
            for _ in range(looks):
                results.append(refreshes.paced("spread", rate, seconds / looks))
                many.setup.sql("UPDATE sessions SET access_expires_at = 1 WHERE revoked_at IS NOT NULL")
                watch.look()
            ended.set()
            in_and_out.result()
        deadline = time.monotonic() + 130
        while not pruned(many.servers, "sessions") and time.monotonic() < deadline:
            time.sleep(0.5)
        gone, within = pruned(many.servers, "sessions"), batches_within(many.servers)
        (updates,) = many.setup.sql(
            "SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'"
        )
    _judge(proof, watch, results, gone, updates.hot / updates.all)
    _judge_other_tables(proof, watch, sum(len(result.latencies) for result in results[1:]))
    _judge_batches(proof, within)


def _sign_in_and_out(load: Load, ended: threading.Event, seconds: float) -> None:
    while not ended.is_set():
        load.paced("sign in and out", 10, seconds)


def _judge(proof: Proof, watch: Watch, results: list[Result], gone: float, hot: float) -> None:
    """The first fifth of the time is left out: caches, pools and free space settle in it."""
    settled = len(watch.memory) // 5
    p99 = [result.percentile(0.99) for result in results][settled:]
    slopes = {
        "memory of the nodes": slope(watch.memory[settled:]),
        "size of sessions with indexes": slope(watch.tables["sessions"][settled:]),
        "refresh p99": slope(p99),
    }
    for what, change in slopes.items():
        proof.figure(f"{what}, change over the time", f"{change:+.1%}")
    proof.figure("memory of the nodes, first and last", f"{watch.memory[settled]:.0f} and {watch.memory[-1]:.0f} MiB")
    third = len(p99) // 3
    proof.figure(
        "refresh p99 while sessions are deleted, median of the looks: all, first third, last third",
        ", ".join(f"{statistics.median(part):.1f} ms" for part in (p99, p99[:third], p99[-third:])),
    )
    proof.figure("sessions deleted by the clean-up", f"{gone:,.0f}")
    proof.figure("updates of sessions that changed no index (HOT)", f"{hot:.0%}")
    assert gone > 0
    assert hot > 0.8
    if proof.full:
        assert abs(slopes["memory of the nodes"]) < 0.05
        assert abs(slopes["size of sessions with indexes"]) < 0.05
        assert slopes["refresh p99"] < 0.25


def _judge_other_tables(proof: Proof, watch: Watch, refreshes: int) -> None:
    """The audit record grows by design, for `retention.audit`: it has no verdict, only its price."""
    settled = len(watch.memory) // 5
    for table in FLAT:
        sizes = watch.tables[table][settled:]
        change = slope(sizes) * statistics.median(sizes)
        proof.figure(f"size of {table} with indexes, and its change", f"{sizes[-1]:.2f} MiB, {change:+.2f} MiB")
        if proof.full:
            assert change < max(MOST_MIB, 0.05 * statistics.median(sizes)), table
    events, opened = watch.tables["audit_events"], watch.opened[-1] - watch.opened[0]
    price = (events[-1] - events[0]) * 2**20 / max(1, opened)
    others = (watch.other_events[-1] - watch.other_events[0]) / max(1, refreshes)
    proof.figure("audit_events with indexes, for each sign-in with its sign-out", f"{price:,.0f} bytes")
    proof.figure("events of the audit record for each refresh", f"{others:.4f}")


def _judge_batches(proof: Proof, within: Counter[float]) -> None:
    """Each batch that is counted here had rows to delete: pages of sessions without any take no lock.

    One in a hundred may take longer than is promised, and one in any case: clients, nodes and PostgreSQL share two cores, and
    the commit, which is part of the time, may wait behind a checkpoint. Wrong sizes would show in many more.
    """
    count = within[float("inf")]
    longest = min(seconds for seconds, batches in within.items() if batches == count)
    share = within[PROMISED] / count
    proof.figure("batches of the clean-up that held their locks for at most 50 ms", f"{share:.1%} of {count:,.0f}")
    proof.figure("the longest batch took at most", f"{longest:g} s")
    assert count > 0
    if proof.full:
        assert count - within[PROMISED] <= max(1, 0.01 * count)
        assert longest <= STALL
