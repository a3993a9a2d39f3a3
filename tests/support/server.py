"""A live server: the real command in processes of its own, as an operator starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import httpx

from tests.support import forked
from tests.support.forked import Forked, authserver
from tests.support.oauth import OAuth
from tests.support.ports import free_port
from tests.support.setup import Setup

ROOT = Path(__file__).parent.parent.parent
_START_SECONDS = 120


class LiveServer:
    """`authserver serve` on the database of a setup. Its log is in `log`; `environment` adds settings by variables.

    `root` is the checkout whose version it is.
    """

    def __init__(
        self, setup: Setup, *, workers: int = 2, port: int | None = None, root: Path = ROOT, **environment: str
    ) -> None:
        self.setup = setup
        self.root = root
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = setup.directory / f"server-{self.port}.log"
        self.workers = workers
        self._environment = environment
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def start(self, *arguments: str) -> LiveServer:
        """Start it, with these arguments beside the usual ones, and return when all its workers are ready."""
        with self.log.open("ab") as log:
            began = log.tell()
            self.process = self._started(["serve", "--workers", str(self.workers), *arguments], log)
        deadline = time.monotonic() + _START_SECONDS
        # The line is written when the last worker answers; the first may be killed by a test before that.
        while b"authserver listens on" not in self.log.read_bytes()[began:] or not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise AssertionError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def _started(self, arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes] | Forked:
        command = [sys.executable, "-m", "authserver", *arguments]
        return subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, cwd=self.root)

    def environment(self) -> dict[str, str]:
        """The variables of the server's process, and of commands that work on the same database."""
        settings = self.setup.settings
        assert settings.database.url is not None
        ours = {
            "AUTHSERVER_ISSUER": self.url,
            "AUTHSERVER_DATA_DIR": str(settings.data_dir),
            "AUTHSERVER_KEY_DIR": str(settings.key_dir),
            "AUTHSERVER_DATABASE__URL": settings.database.url.get_secret_value(),
            "AUTHSERVER_SERVER__PORT": str(self.port),
            "AUTHSERVER_PASSWORDS__ARGON2_MEMORY_KIB": str(settings.passwords.argon2_memory_kib),
            "AUTHSERVER_PASSWORDS__ARGON2_TIME_COST": str(settings.passwords.argon2_time_cost),
            # Slot files of its own: a hasher that one test blocks is not the hasher of the next.
            "TMPDIR": str(self.setup.directory),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
        return {**inherited, **ours, **self._environment}

    def is_ready(self) -> bool:
        try:
            with self.http() as http:
                return http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def http(self, **options: Any) -> httpx.Client:
        """A connection pool to the server. It speaks no TLS, and to read the trusted authorities would take 25 ms."""
        return httpx.Client(base_url=self.url, timeout=60, verify=False, **options)

    def raw(self, request: bytes) -> tuple[int, str]:
        """Send these bytes, and return the status and the whole answer until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
        return int(answer.split(" ", 2)[1]), answer

    def oauth(self, **changes: Any) -> OAuth:
        """A new app, speaking to this server."""
        return OAuth(self.http(), self.setup.an_app(**changes))

    def worker_pids(self) -> list[int]:
        """The processes that answer requests."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run another `authserver` command on the same database."""
        return authserver(*arguments, environment=self.environment(), given=given)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it, and return its exit status. A second call does nothing."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self.process = None
        return status


class ForkedServer(LiveServer):
    """The same, forked from a process that has imported the server: it starts sooner. For tests that measure nothing."""

    def _started(self, arguments: list[str], log: IO[bytes]) -> Forked:
        with Path(os.devnull).open("rb") as nothing:
            return forked.start(arguments, self.environment(), nothing.fileno(), log.fileno(), log.fileno())
