"""The measured servers, each on a fresh database: authserver as an operator starts it, and a textbook server."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import argon2

from authserver.settings.values import PasswordSettings
from benchmarks import textbook
from benchmarks.kinds import Target
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.server import LiveServer
from tests.support.setup import API, Setup, make_setup

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server: its address with credentials, and the roots of its process trees."""

    target: Target
    pid: int
    postgres_pid: int | None


def some_users(setup: Setup, password: str, password_hash: str, count: int = 64) -> list[str]:
    """As many users as connections sign in at once: a user who signs in often at once is delayed as an attacker is."""
    return [setup.a_person(password=password, password_hash=password_hash).username for _ in range(count)]


@contextmanager
def authserver(cluster: Cluster | None) -> Iterator[Contestant]:
    """Run `authserver serve --workers 2` with default settings. Each refresh of its client rotates (window 0)."""
    passwords = PasswordSettings()
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        kind = "sqlite" if cluster is None else "postgresql"
        setup = make_setup(kind, Path(directory), cluster, passwords=passwords)
        try:
            setup.an_api()
            app = setup.an_app(retry_window=0)
            hasher = argon2.PasswordHasher(
                time_cost=passwords.argon2_time_cost,
                memory_cost=passwords.argon2_memory_kib,
                parallelism=passwords.argon2_parallelism,
            )
            password = "correct horse battery"
            usernames = some_users(setup, password, hasher.hash(password))
            server = LiveServer(setup, workers=WORKERS).start()
            try:
                assert server.process is not None
                assert app.secret is not None
                target = Target(server.port, app.client_id, app.secret, usernames, password, API)
                yield Contestant(target, server.process.pid, _postmaster(cluster))
            finally:
                server.stop()
        finally:
            setup.close()


@contextmanager
def textbook_server(cluster: Cluster | None) -> Iterator[Contestant]:
    """Run the server of `textbook.py` with the same number of workers and threads."""
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        if cluster is None:
            url = f"sqlite:///{directory}/textbook.db"
        else:
            url = cluster.create_database().replace("postgresql://", "postgresql+psycopg://")
        port = free_port()
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.textbook", url, str(port)]
        process = subprocess.Popen(command)
        try:
            _wait_for(port, process)
            secret, username, password = textbook.SECRET, textbook.USERNAME, textbook.PASSWORD
            target = Target(port, textbook.CLIENT_ID, secret, [username], password, textbook.AUDIENCE)
            yield Contestant(target, process.pid, _postmaster(cluster))
        finally:
            process.terminate()
            process.wait()


CONTESTANTS = {"authserver": authserver, "textbook": textbook_server}


def _postmaster(cluster: Cluster | None) -> int | None:
    if cluster is None:
        return None
    return int((cluster.directory / "data" / "postmaster.pid").read_text().split()[0])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("benchmarks: the textbook server did not start")
