"""A storm of sign-ins: refreshes go on beside it, and memory stays bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import argon2
import pytest

from authserver.passwords.pool import usable_cores
from authserver.settings.values import PasswordSettings
from benchmarks.cost import bare_argon2
from benchmarks.kinds import Target
from benchmarks.load import Load, Result
from benchmarks.processes import pss_mib
from tests.support.forwarder import Forwarder
from tests.support.postgres import Cluster
from tests.support.postgres_programs import newest
from tests.support.proof import Proof
from tests.support.server import LiveServer
from tests.support.setup import API, Setup, make_setup

STORM = 20  # times what the machine can hash
REFRESHES = 100  # a second
CONNECTIONS = 48  # for refreshes: at 0.2 s each they are enough
SIGN_INS = 64
AWAY = 0.2
#: What a worker may grow by, in MiB: the memory of some hashes, and the buffers of its connections.
GROWTH = 64
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
    person = setup.a_person(password=password, password_hash=hasher.hash(password))
    app = setup.an_app(retry_window=0)
    assert app.secret is not None
    server = LiveServer(setup, **environment).start()
    try:
        yield server, Target(server.port, app.client_id, app.secret, person.username, password, API)
    finally:
        server.stop()


def measure(server: LiveServer, target: Target, seconds: int, what: str, proof: Proof) -> None:
    """Refresh in quiet and in the storm. A refresh that is not answered with a new token ends the load with an error."""
    capacity = max(1, usable_cores() - 1) * 1000 / bare_argon2()
    with (
        Load(target, CONNECTIONS) as refreshes,
        Load(target, SIGN_INS) as sign_ins,
        ThreadPoolExecutor(1) as beside,
    ):
        refreshes.run("refresh", CONNECTIONS)
        quiet = refreshes.paced("refresh", REFRESHES, seconds)
        before = max(map(pss_mib, server.worker_pids()))
        signing_in = beside.submit(sign_ins.paced, "password", STORM * capacity, seconds)
        stormed = refreshes.paced("refresh", REFRESHES, seconds)
        signed_in = signing_in.result()
        grown = max(map(pss_mib, server.worker_pids())) - before
    proof.figure(f"{what}: refresh p50, p99, quiet", percentiles(quiet))
    proof.figure(f"{what}: refresh p50, p99, in the storm", percentiles(stormed))
    proof.figure(f"{what}: refreshes in the storm, none failed", str(len(stormed.latencies)))
    offered = len(signed_in.latencies)
    proof.figure(f"{what}: sign-ins offered, asked for", f"{offered / seconds:.0f} /s, {STORM * capacity:.0f} /s")
    proof.figure(f"{what}: signed in", f"{(offered - signed_in.refused) / seconds:.1f} /s")
    proof.figure(f"{what}: the largest worker grew by", f"{grown:.1f} MiB")
    assert signed_in.refused < offered, "some sign in even in a storm"
    assert signed_in.refused > 0, "it was no storm"
    assert grown < GROWTH
    if (os.cpu_count() or 1) >= 4:  # fewer cores share the load's processes: a figure, and no verdict
        assert stormed.percentile(0.99) <= 3 * quiet.percentile(0.99)


def percentiles(result: Result) -> str:
    return f"{result.percentile(0.5):.1f} ms, {result.percentile(0.99):.1f} ms"


def test_storm(proof: Proof, setup: Setup):
    """Sign-ins at 20 times what the machine can hash, beside 100 refreshes a second."""
    seconds = proof.amount(6, 60)
    with serving(setup) as (server, target):
        measure(server, target, seconds, "database here", proof)
    assert isinstance(setup.postgres, Cluster)
    url = setup.settings.database_url
    with Forwarder(setup.postgres.port, delay=AWAY / 2) as away:
        far = url.set(port=away.port).render_as_string(hide_password=False)
        with serving(setup, AUTHSERVER_DATABASE__URL=far, **FAR) as (server, target):
            measure(server, target, seconds, f"database {AWAY} s away", proof)
