"""A throw-away Redis on a free port of this machine, which a test may stop, restart or fill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import redis

from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.ports import free_port

PASSWORD = "secret-of-the-store"


class RedisServer:
    """Use it in a `with` block. It keeps nothing over a restart, unless `settings` says so (`appendonly="yes"`).

    The tests skip without Redis, or fail where it is required.
    """

    def __init__(self, **settings: str) -> None:
        if shutil.which("redis-server") is None:
            missing("redis", "apt-get install redis-server")
        self._directory = Path(tempfile.mkdtemp(prefix="authserver-redis-", dir=in_memory()))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.socket = self._directory / "socket"
        self.client = redis.Redis(host="127.0.0.1", port=self.port, password=PASSWORD, decode_responses=True)
        self._settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "requirepass": PASSWORD,
            "dir": str(self._directory),
            "save": "",
            "appendfsync": "always",
            "loglevel": "warning",
        } | settings

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        """Return when it answers."""
        options = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *options], stdout=log, stderr=log, cwd=self._directory)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.ping()
            except redis.RedisError:
                assert self._process.poll() is None, (self._directory / "log").read_text()
                assert time.monotonic() < deadline, (self._directory / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Kill it, also while it is paused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None

    def pause(self) -> None:
        """From now on it takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def rows(self) -> dict[str, str]:
        """Every key and what it holds."""
        found: dict[str, str] = {}
        for key in self.client.scan_iter(count=1000):
            value: Any = self.client.get(key)
            if value is not None:
                found[key] = value
        return dict(sorted(found.items()))
