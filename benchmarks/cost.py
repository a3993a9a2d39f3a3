"""CPU time and latency of each kind of request on each server and database, and of a bare Argon2id."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass

import argon2

from authserver.settings.values import PasswordSettings
from benchmarks import machine
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.load import Load, Result
from benchmarks.processes import cpu_seconds
from tests.support.postgres import Cluster

CONNECTIONS = 16
#: Requests of one round. A sign-in costs fifty times a refresh.
REQUESTS = {"client credentials": 2400, "refresh": 2400, "jwks": 4800, "metadata": 4800, "password": 160}
#: All connections may reach one worker, so no more sign in than its default queue takes.
_SIGNING_IN = 8
GUIDE = {
    ("authserver", "client credentials"): 0.4, ("authserver", "refresh"): 1.1, ("authserver", "jwks"): 0.15,
    ("textbook", "client credentials"): 2.9, ("textbook", "refresh"): 5.5, ("textbook", "jwks"): 0.3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """One row of the table. Times are in milliseconds; the load average is the one of the moment."""

    server: str
    database: str
    kind: str
    own: float
    postgres: float
    result: Result
    load: str
    bare: float | None = None

    @property
    def total(self) -> float:
        return self.own + self.postgres


def measure(cluster: Cluster | None, *, rounds: int, scale: float) -> Iterator[Cost]:
    """Yield each cost. The cheapest round counts, because other work on the machine only adds to it."""
    for database, postgres in (("PostgreSQL", cluster), ("SQLite", None)):
        if database == "PostgreSQL" and cluster is None:
            continue
        for name, start in CONTESTANTS.items():
            with start(postgres) as contestant:
                for kind, requests in REQUESTS.items():
                    connections = _SIGNING_IN if kind == "password" else CONNECTIONS
                    with Load(contestant.target, connections) as load:
                        best = _cheapest(contestant, load, kind, max(connections, int(requests * scale)), rounds)
                    bare = bare_argon2() if kind == "password" else None
                    yield Cost(name, database, kind, *best, machine.load_average(), bare)


def _cheapest(contestant: Contestant, load: Load, kind: str, requests: int, rounds: int) -> tuple[float, float, Result]:
    load.run(kind, requests // 4)  # warm up: open connections, prepare statements, fill caches
    found = []
    for _ in range(rounds):
        own, postgres = cpu_seconds(contestant.pid), _postgres_seconds(contestant)
        result = load.run(kind, requests)
        own, postgres = cpu_seconds(contestant.pid) - own, _postgres_seconds(contestant) - postgres
        count = len(result.latencies)
        found.append((own / count * 1000, postgres / count * 1000, result))
    return min(found, key=lambda one: one[0] + one[1])


def _postgres_seconds(contestant: Contestant) -> float:
    return 0.0 if contestant.postgres_pid is None else cpu_seconds(contestant.postgres_pid)


def bare_argon2(times: int = 20) -> float:
    """Return the CPU milliseconds of one Argon2id verification with the default parameters, in this process."""
    settings = PasswordSettings()
    hasher = argon2.PasswordHasher(settings.argon2_time_cost, settings.argon2_memory_kib, settings.argon2_parallelism)
    encoded = hasher.hash("a password")
    before = _own_seconds()
    for _ in range(times):
        hasher.verify(encoded, "a password")
    return (_own_seconds() - before) / times * 1000


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def row(cost: Cost) -> list[str]:
    """Return a row for people."""
    guide = GUIDE.get((cost.server, cost.kind))
    note = "" if guide is None else f"{guide}"
    if cost.bare is not None:
        note = f"bare Argon2id {cost.bare:.1f} + 1.2" if cost.server == "authserver" else f"bare {cost.bare:.1f}"
    return [
        cost.kind, cost.server, cost.database, f"{cost.own:.2f}",
        f"{cost.postgres:.2f}" if cost.database == "PostgreSQL" else "-", f"{cost.total:.2f}", note,
        f"{cost.result.percentile(0.5):.1f}", f"{cost.result.percentile(0.99):.1f}",
        str(cost.result.verified) if cost.result.verified else "-", cost.load,
    ]  # fmt: skip


TITLES = [
    "request", "server", "database", "server CPU", "PostgreSQL CPU", "sum, ms", "guide, ms",
    "p50, ms", "p99, ms", "JWTs verified", "load avg",
]  # fmt: skip
