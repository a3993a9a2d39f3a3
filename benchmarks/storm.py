"""A login storm: refresh latency while people sign in twenty times as fast as the machine can hash passwords."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from authserver.passwords.pool import usable_cores
from benchmarks.contestants import authserver
from benchmarks.cost import bare_argon2
from benchmarks.load import Load, Result
from tests.support.postgres import Cluster

TITLES = [
    "database",
    "moment",
    "sign-ins offered /s",
    "signed in /s",
    "turned away",
    "refresh p50, ms",
    "refresh p99, ms",
]
_CORES = os.cpu_count() or 1
_APPLIES = "which applies here" if _CORES >= 4 else f"this machine has {_CORES}, which the load processes share"
PROMISE = f"promised for 4 cores or more: p99 within 3 times its quiet value and under 100 ms ({_APPLIES})"
_STORM = 20
#: Refreshes a second: enough for a p99, and little load for the machine.
_REFRESHES = 50
_CONNECTIONS = 64


def measure(cluster: Cluster | None, *, seconds: int) -> Iterator[list[str]]:
    """Yield a quiet time and the storm on each database."""
    for database, postgres in (("PostgreSQL", cluster), ("SQLite", None)):
        if database == "PostgreSQL" and cluster is None:
            continue
        with (
            authserver(postgres) as contestant,
            Load(contestant.target, 8) as refreshes,
            Load(contestant.target, _CONNECTIONS) as sign_ins,
            ThreadPoolExecutor(1) as beside,
        ):
            rate = _STORM * max(1, usable_cores() - 1) * 1000 / bare_argon2()  # the default of hashing_concurrency
            refreshes.run("refresh", 64)
            yield _row(database, "quiet", refreshes.paced("refresh", _REFRESHES, seconds))
            signing_in = beside.submit(sign_ins.paced, "password", rate, seconds + 2)
            result = refreshes.paced("refresh", _REFRESHES, seconds)
            stormed = signing_in.result()
            yield _row(database, "storm", result, stormed, seconds + 2)


def _row(database: str, moment: str, result: Result, stormed: Result | None = None, seconds: int = 1) -> list[str]:
    latencies = [f"{result.percentile(0.5):.1f}", f"{result.percentile(0.99):.1f}"]
    if stormed is None:
        return [database, moment, "0", "0", "-", *latencies]
    offered = len(stormed.latencies)
    signed_in = (offered - stormed.refused) / seconds
    share = f"{stormed.refused / offered:.0%}"
    return [database, moment, f"{offered / seconds:.0f}", f"{signed_in:.0f}", share, *latencies]
