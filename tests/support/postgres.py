"""A throw-away PostgreSQL cluster with fsync on, and fresh databases in it in a few hundredths of a second.

One cluster serves one test process (under pytest-xdist: one worker). It lies in memory where there is room, because to
create a database and to drop it writes hundreds of files. TESTS_POSTGRES=postgresql://… takes a server that runs already
instead; its role must be allowed to create databases.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support import postgres_programs as programs
from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.ports import free_port

HOW = (
    f"install PostgreSQL {programs.OLDEST} or newer (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql; "
    "without root: .venv/bin/pip install pgserver), or set TESTS_POSTGRES=postgresql://user:password@host/db"
)
ROLE = "authserver"
START_SECONDS = "120"
#: Seconds in which init collects processes that were killed.
_COLLECTED = 30


class Postgres:
    """A server in which tests may create databases.

    `admin_url` may create databases. They belong to the role in the addresses that `create_database` returns. In our
    own clusters this role is not a superuser, because nothing tested may need one.
    """

    def __init__(self, admin_url: str, role_url: str, binaries: Path | None) -> None:
        self.admin_url = admin_url
        self.binaries = binaries
        self._role_url = role_url
        self._templates: dict[str, str] = {}
        self._created: list[str] = []

    def create_database(self, template: str = "template0", encoding: str = "UTF8") -> str:
        """Create an empty database (or a copy of `template`) and return its `postgresql://` address."""
        name = f"authserver_test_{secrets.token_hex(6)}"
        owner = urlsplit(self._role_url).username or ROLE
        self._administer(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} ENCODING {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(owner), sql.Identifier(template), sql.Literal(encoding)
            )
        )
        self._created.append(name)
        return urlunsplit(urlsplit(self._role_url)._replace(path=f"/{name}"))

    def create_database_like(self, name: str, prepare: Callable[[str], None]) -> str:
        """Return a fresh copy of a database that `prepare(url)` filled once in this process, say with the schema.

        `prepare` must close its connections: PostgreSQL does not copy a database with open connections.
        """
        if name not in self._templates:
            url = self.create_database()
            prepare(url)
            self._templates[name] = urlsplit(url).path.lstrip("/")
        return self.create_database(self._templates[name])

    def drop_database(self, url: str) -> None:
        """Remove a database and cut its connections."""
        name = urlsplit(url).path.lstrip("/")
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        with contextlib.suppress(ValueError):
            self._created.remove(name)

    def dump(self, url: str) -> bytes:
        """Return the whole database as pg_dump writes it."""
        return subprocess.run([self.program("pg_dump"), "--dbname", url], check=True, capture_output=True).stdout

    def program(self, name: str) -> str:
        """Return the path of one of PostgreSQL's programs, such as pg_dump; without it the test is skipped."""
        found = shutil.which(name, path=str(self.binaries)) if self.binaries else shutil.which(name)
        if found is None:
            missing("postgresql", f"{name} was not found; {HOW}")
        return found

    def drop_all(self) -> None:
        for name in list(self._created):
            with contextlib.suppress(psycopg.Error):
                self.drop_database(f"postgresql:///{name}")

    def _administer(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement)


class Cluster(Postgres):
    """A cluster of our own in a temporary directory, reached by unix socket (trust) and loopback TCP (password).

    A test may stop, kill and start it. A keeper process waits at the other end of a pipe until this process ends in any
    way, then stops and removes the cluster. With a `primary` it is a hot standby of that cluster. With a `disk` (such as
    "128m") it lies on a file system of that size, in segments of the log of 1 MB. `environment` is for the server.
    """

    def __init__(
        self,
        binaries: Path,
        *,
        primary: Cluster | None = None,
        place: Path | None = None,
        disk: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.account = programs.account_to_run_under()
        self.directory = Path(tempfile.mkdtemp(prefix="authserver-pg-", dir=place))
        # The keeper starts first, so that it also cleans up after a crash half way.
        self._keeper = subprocess.Popen(
            [sys.executable, programs.__file__, str(self.directory), str(binaries), self.account or ""],
            stdin=subprocess.PIPE,
            # Ctrl-C in the terminal goes to the test run; the keeper outlives it to clean up.
            start_new_session=True,
        )
        atexit.register(self.remove)
        self._environment = environment or {}
        self._killed: list[int] = []
        if disk:
            programs.mount(self.directory, disk)
        if self.account:
            shutil.chown(self.directory, self.account)
        self.log = self.directory / "log"
        self._password: str = primary._password if primary else secrets.token_hex(16)
        if primary:
            self._copy(primary)
        else:
            self._initialise(binaries, *(["--wal-segsize", "1"] if disk else []))
        self.port = self._start_on_a_free_port(binaries)
        address = f"host={quote(str(self.directory), safe='')}&port={self.port}"
        super().__init__(
            admin_url=f"postgresql://postgres@/postgres?{address}",
            role_url=f"postgresql://{ROLE}:{self._password}@127.0.0.1:{self.port}/",
            binaries=binaries,
        )
        if not primary:
            self._administer(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(self._password))
            )

    def configure(self, *lines: str) -> None:
        """Add lines to the settings, and start the cluster again with them."""
        self.stop()
        with (self.directory / "data" / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join([*lines, ""]))
        self.start()

    def start(self) -> None:
        """Start the cluster again on its port; returns when it answers."""
        # The lock files name processes. As long as init has not collected the dead, a new server thinks that they live.
        deadline = time.monotonic() + _COLLECTED
        while any(Path(f"/proc/{dead}").exists() for dead in self._killed) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._control("start", "--wait", "--timeout", START_SECONDS, "--log", str(self.log))

    def stop(self, mode: str = "fast") -> None:
        """Stop the cluster; "immediate" is a crash: the next start replays the log."""
        self._control("stop", "--wait", "--mode", mode)

    def kill(self) -> None:
        """End all its processes at once by SIGKILL, as when its machine loses power."""
        self._killed = self.processes()
        for process in self._killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The postmaster and its children. Each child is a process group of its own."""
        postmaster = (self.directory / "data" / "postmaster.pid").read_text().split()[0]
        return [int(postmaster), *map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]

    def promote(self) -> None:
        """Make a standby a primary; returns when it takes writes."""
        self._control("promote", "--wait")

    def follow(self, primary: Cluster) -> None:
        """Make it anew, on its port, as a hot standby of another cluster. It must not run."""
        shutil.rmtree(self.directory / "data")
        self._copy(primary)
        self._write_settings(self.port)
        self.start()

    def set(self, name: str, value: str) -> None:
        """Change a setting of the server, also of a standby, without a restart."""
        self._administer(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self._administer(sql.SQL("SELECT pg_reload_conf()"))

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all processes by a signal for the block. The kernel goes on accepting connections and data for them."""
        postmaster = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # the first, so that no process is added
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        every = [postmaster, *map(int, children)]
        try:
            for process in every:
                _signal(process, signal.SIGSTOP)
            yield
        finally:
            for process in every:
                _signal(process, signal.SIGCONT)

    def remove(self) -> None:
        """Stop the cluster and delete its directory; a second call does nothing."""
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
            self._keeper.wait()

    def _initialise(self, binaries: Path, *more: str) -> None:
        initdb = [str(binaries / "initdb"), "--pgdata", str(self.directory / "data"), "--username", "postgres"]
        options = ["--encoding", "UTF8", "--locale", "C", "--auth-local", "trust", "--auth-host", "scram-sha-256"]
        # --no-sync concerns the making of the cluster only; while it runs, fsync is on as in production.
        programs.run([*initdb, *options, "--no-sync", *more], self.account)

    def _copy(self, primary: Cluster) -> None:
        places = ["--dbname", primary.admin_url, "--pgdata", str(self.directory / "data")]
        options = ["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]
        programs.run([primary.program("pg_basebackup"), *places, *options], self.account)

    def _start_on_a_free_port(self, binaries: Path) -> int:
        self.binaries = binaries
        for attempt in range(5):
            port = free_port()
            self._write_settings(port)
            try:
                self.start()
            except programs.Unavailable:
                # If a port cannot be kept (not Linux), another process may have taken it.
                if attempt == 4:
                    raise
            else:
                return port
        raise AssertionError

    def _write_settings(self, port: int) -> None:
        settings = self.directory / "data" / "postgresql.auto.conf"
        with settings.open("a") as file:  # the last line of a name counts; a standby's file names its primary
            file.write(
                f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.directory}'\n"
                "max_connections = 200\nshared_buffers = '64MB'\ntimezone = 'UTC'\nfsync = on\n"
            )

    def _control(self, *arguments: str) -> None:
        assert self.binaries is not None
        programs.run(
            [str(self.binaries / "pg_ctl"), "--pgdata", str(self.directory / "data"), *arguments],
            self.account,
            **self._environment,
        )


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def postgres_or_skip() -> Postgres:
    """Return this process's PostgreSQL, started at the first call. Without one skip or fail the test."""
    try:
        return _postgres()
    except programs.Unavailable as reason:
        missing("postgresql", f"{reason}; {HOW}")


@functools.cache
def _found() -> Postgres | programs.Unavailable:
    # The refusal is cached as well, so that a thousand tests look once.
    if url := os.environ.get("TESTS_POSTGRES"):
        server = Postgres(url, url, next(iter(programs.find_all()), None))
        atexit.register(server.drop_all)
        return server
    try:
        return Cluster(programs.newest(), place=in_memory())
    except programs.Unavailable as reason:
        return reason


def _postgres() -> Postgres:
    found = _found()
    if isinstance(found, programs.Unavailable):
        raise found
    return found
