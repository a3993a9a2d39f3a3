"""The time and memory of an import of many users, beside an import of few."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.postgres import Cluster
from tests.support.setup import make_setup
from tests.support.shell import Shell
from tests.support.users_file import measured, write_users

TITLES = ["database", "users in the file", "seconds", "users /s", "peak memory, MiB"]


def measure(cluster: Cluster | None, *, many: int) -> Iterator[list[str]]:
    """Yield a small and a large file on each database."""
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and cluster is None:
            continue
        for count in (1000, many):
            with TemporaryDirectory(prefix="authserver-bench-") as name:
                directory = Path(name)
                setup = make_setup(kind, directory, cluster if kind == "postgresql" else None)
                write_users(directory / "users.csv", count)
                started = time.monotonic()
                done = measured(Shell(setup), "users", "import", str(directory / "users.csv"))
                seconds = time.monotonic() - started
                setup.close()
                assert done.status == 0, done
                yield [kind, f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}", f"{done.memory:.0f}"]
