"""A storm of sign-ins: refreshes go on beside it, and memory stays bounded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import argon2
import pytest

from authserver.passwords.pool import usable_cores
from authserver.settings.values import PasswordSettings
from benchmarks.contestants import some_users
from benchmarks.cost import bare_argon2
from benchmarks.kinds import Target
from benchmarks.load import Load, Result, at_share
from benchmarks.processes import cpu_seconds, pss_mib
from tests.support.forwarder import Forwarder
from tests.support.postgres import Cluster
from tests.support.postgres_programs import newest
from tests.support.proof import Proof
from tests.support.server import LiveServer
from tests.support.setup import API, Setup, make_setup

pytestmark = pytest.mark.measures

STORM = 20  # times what the machine can hash
SIGN_INS = 64
AWAY = 0.2
#: What a worker may grow by, in MiB: the memory of some hashes, and the buffers of its connections.
GROWTH = 64
#: Seconds in which a sign-in that has no place is refused.
AT_ONCE = 0.1
#: A database far away needs more threads and connections for the same number of requests.
FAR = {"AUTHSERVER_SERVER__THREADS": "64", "AUTHSERVER_DATABASE__POOL_SIZE": "32"}


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    cluster = Cluster(newest())
    made = make_setup("postgresql", tmp_path, postgres=cluster, passwords=PasswordSettings())
    made.an_api()
    yield made
    made.close()
    cluster.remove()


@contextmanager
def serving(setup: Setup, **environment: str) -> Iterator[tuple[LiveServer, Target]]:
    """A server with passwords as in production, and a client whose every refresh rotates."""
    costs, password = setup.settings.passwords, "correct horse battery"
    hasher = argon2.PasswordHasher(costs.argon2_time_cost, costs.argon2_memory_kib, costs.argon2_parallelism)
    usernames = some_users(setup, password, hasher.hash(password), 2 * SIGN_INS)
    app = setup.an_app(retry_window=0)
    assert app.secret is not None
    server = LiveServer(setup, **environment).start()
    try:
        yield server, Target(server.port, app.client_id, app.secret, usernames, password, API)
    finally:
        server.stop()


def measure(
    server: LiveServer, target: Target, what: str, proof: Proof, move: Callable[[], None] = lambda: None
) -> None:
    """Refresh in quiet and in the storm. A refresh that is not answered with a new token ends the load with an error.

    `move` is called when all clients have signed in.
    """
    seconds = proof.amount(2, 60)
    rate = proof.amount(40, 100)
    connections = rate // 2  # enough, even if each answer takes 0.4 s
    capacity = max(1, usable_cores() - 1) * 1000 / bare_argon2()
    with Load(target, connections) as refreshes:
        refreshes.run("refresh", connections)
        move()
        quiet = refreshes.paced("refresh", rate, seconds)
        before = max(map(pss_mib, server.worker_pids()))
        with Load(target, SIGN_INS) as sign_ins, ThreadPoolExecutor(1) as beside:
            began = used(server, refreshes, sign_ins)
            signing_in = beside.submit(sign_ins.paced, "password", STORM * capacity, seconds)
            stormed = refreshes.paced("refresh", rate, seconds)
            signed_in = signing_in.result()
            busy = [
                (after - before) / seconds
                for before, after in zip(began, used(server, refreshes, sign_ins), strict=True)
            ]
        grown = max(map(pss_mib, server.worker_pids())) - before
    proof.figure(f"{what}: refresh p50, p99, quiet", percentiles(quiet))
    proof.figure(f"{what}: refresh p50, p99, in the storm", percentiles(stormed))
    proof.figure(
        f"{what}: cores in use in the storm, of {os.cpu_count()}: server, PostgreSQL, both kinds of clients",
        ", ".join(f"{cores:.2f}" for cores in busy),
    )
    proof.figure(f"{what}: refreshes in the storm, none failed", str(len(stormed.latencies)))
    offered = len(signed_in.latencies)
    proof.figure(f"{what}: sign-ins offered, asked for", f"{offered / seconds:.0f} /s, {STORM * capacity:.0f} /s")
    proof.figure(f"{what}: signed in", f"{(offered - signed_in.refused) / seconds:.1f} /s")
    late = at_share(signed_in.refusals, 0.99)
    proof.figure(
        f"{what}: refused sign-ins answered within: half of them, 99 %",
        f"{1000 * at_share(signed_in.refusals, 0.5):.1f} ms, {1000 * late:.1f} ms",
    )
    proof.figure(f"{what}: the largest worker grew by", f"{grown:.1f} MiB")
    assert signed_in.refused < offered, "some sign in even in a storm"
    assert signed_in.refused > 0, "it was no storm"
    assert grown < GROWTH
    assert late < AT_ONCE
    if (os.cpu_count() or 1) >= 4:  # fewer cores share the load's processes: a figure, and no verdict
        assert stormed.percentile(0.99) <= 3 * quiet.percentile(0.99)


def used(server: LiveServer, *loads: Load) -> list[float]:
    """Seconds of CPU time until now of the server, of PostgreSQL and of the processes of the load."""
    assert server.process is not None
    assert isinstance(server.setup.postgres, Cluster)
    roots = server.process.pid, server.setup.postgres.processes()[0], *(load.pid for load in loads)
    return [cpu_seconds(pid) for pid in roots]


def percentiles(result: Result) -> str:
    return f"{result.percentile(0.5):.1f} ms, {result.percentile(0.99):.1f} ms"


def test_storm(proof: Proof, setup: Setup):
    """Sign-ins at 20 times what the machine can hash, beside 100 refreshes a second."""
    with serving(setup) as (server, target):
        measure(server, target, "database here", proof)
    assert isinstance(setup.postgres, Cluster)
    url = setup.settings.database_url
    with Forwarder(setup.postgres.port) as away:
        far = url.set(port=away.port).render_as_string(hide_password=False)
        with serving(setup, AUTHSERVER_DATABASE__URL=far, **FAR) as (server, target):
            measure(server, target, f"database {AWAY} s away", proof, lambda: setattr(away, "delay", AWAY / 2))
