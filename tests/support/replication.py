"""Two PostgreSQL servers, one a standby of the other, and what their operator does when one of them dies."""

from __future__ import annotations

import time
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from tests.support import postgres_programs as programs
from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.postgres import HOW, ROLE, Cluster
from tests.support.wsgi_server import wait_for


class Pair:
    """A primary and its standby, of this test alone. Use it in a `with` block.

    `synchronous`: whether a commit is answered when the standby has it too. A change counts from `settle` on.
    """

    def __init__(self) -> None:
        self.synchronous = False
        try:
            binaries = programs.newest()
        except programs.Unavailable as reason:
            missing("postgresql", f"{reason}; {HOW}")
        self.primary = Cluster(binaries, place=in_memory())
        self.standby = Cluster(binaries, primary=self.primary, place=in_memory())
        places = (f"127.0.0.1:{one.port}" for one in (self.primary, self.standby))
        self._hosts = ",".join(places)

    def __enter__(self) -> Self:
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self.standby.remove()
        self.primary.remove()

    def url(self, url: str) -> str:
        """The URL of a database on the primary, with both hosts."""
        parts = urlsplit(url)
        return parts._replace(scheme="postgresql", netloc=f"{ROLE}:{parts.password}@{self._hosts}").geturl()

    def settle(self) -> None:
        """Return when the standby has all that the primary has, and replication is as it was asked for."""
        self.primary.set("synchronous_standby_names", "*" if self.synchronous else "")
        (written,) = self.ask("SELECT pg_current_wal_lsn()")
        follows = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= %s AND sync_state = %s"
        state = "sync" if self.synchronous else "async"
        wait_for(lambda: self.ask(follows, written, state) == (1,))

    def fail_over(self) -> float:
        """Kill the primary and promote the standby, which waits for no standby until there is one. Returns when it died."""
        self.primary.kill()
        died = time.monotonic()
        self.standby.set("synchronous_standby_names", "")  # the copy has the setting of its primary
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        return died

    def stop_replication(self) -> None:
        """Let the standby get nothing from now on, as when the network is slow."""
        self.standby.set("primary_conninfo", "")
        wait_for(lambda: self.ask("SELECT count(*) FROM pg_stat_replication") == (0,))

    def rebuild(self) -> None:
        """Make the dead server the new standby."""
        self.standby.follow(self.primary)
        self.settle()

    def ask(self, question: str, *values: Any) -> Any:
        """One row from the primary."""
        with psycopg.connect(self.primary.admin_url, autocommit=True) as connection:
            return connection.execute(question, values).fetchone()
