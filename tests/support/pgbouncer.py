"""PgBouncer in a process of its own, with one of the sample files of config/pgbouncer."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from tests.support import postgres_programs as programs
from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.ports import free_port
from tests.support.postgres import ROLE, Cluster

SAMPLES = Path(__file__).parents[2] / "config" / "pgbouncer"
_PATH = f"{os.environ['PATH']}:/usr/sbin"


class PgBouncer:
    """PgBouncer before one database of a cluster. Only addresses and the files of this machine differ from the sample.

    Use it in a `with` block. The tests skip without PgBouncer, or fail where everything is required.
    """

    def __init__(self, pool_mode: str, url: str) -> None:
        if shutil.which("pgbouncer", path=_PATH) is None:
            missing("pgbouncer", "apt-get install pgbouncer")
        self._url = urlsplit(url)
        self._sample = SAMPLES / f"{pool_mode}.ini"
        self._account = programs.account_to_run_under()  # PgBouncer refuses root too
        self._directory = Path(tempfile.mkdtemp(prefix="authserver-pgbouncer-", dir=in_memory()))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.log = self._directory / "log"
        self.url = self._url._replace(netloc=f"{ROLE}:{self._url.password}@127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        (self._directory / "users").write_text(f'"{ROLE}" "{self._url.password}"\n')
        self._write(self._url.port)
        if self._account:
            for path in (self._directory, *self._directory.iterdir()):
                shutil.chown(path, self._account)
        command = ["pgbouncer", "--quiet", str(self._directory / "pgbouncer.ini")]
        owner: dict[str, Any] = {"user": self._account, "extra_groups": []} if self._account else {}
        self._process = subprocess.Popen(command, env={**os.environ, "PATH": _PATH}, cwd="/", **owner)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.counts()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
        shutil.rmtree(self._directory)

    def lead_to(self, cluster: Cluster) -> None:
        """Put another server into the file and let PgBouncer read it again, as after a failover."""
        self._write(cluster.port)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def counts(self) -> dict[str, int]:
        """PgBouncer's own counts of what it has passed on, over all databases but its own."""
        with psycopg.connect(urlsplit(self.url)._replace(path="/pgbouncer").geturl(), autocommit=True) as console:
            cursor = psycopg.ClientCursor(console)  # it takes no parameters, and the simple protocol alone
            rows = cursor.execute("SHOW STATS_TOTALS").fetchall()
            names = [column.name for column in cursor.description or ()]
        used = [dict(zip(names, row, strict=True)) for row in rows if row[0] != "pgbouncer"]
        return {name: int(sum(one[name] for one in used)) for name in ("query_count", "xact_count")}

    def _write(self, port: int | None) -> None:
        """The sample with the addresses of this machine."""
        read = configparser.ConfigParser(comment_prefixes=(";",))
        read.read(self._sample)
        read["databases"] = {self._url.path.strip("/"): f"host=127.0.0.1 port={port}"}
        read["pgbouncer"].update(
            listen_port=str(self.port),
            auth_file=str(self._directory / "users"),
            # What Debian's file has beside the lines of the sample.
            logfile=str(self.log),
            unix_socket_dir="",
            stats_users=ROLE,
        )
        with (self._directory / "pgbouncer.ini").open("w") as file:
            read.write(file)
