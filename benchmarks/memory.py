"""Memory of one idle worker by part, each import in a fresh process, and of live workers before and after sign-ins.

The parent of the workers imports nearly everything before it forks, so a worker shares most of what the steps add.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from authserver.passwords.pool import usable_cores
from authserver.settings.values import PasswordSettings
from benchmarks.contestants import authserver
from benchmarks.load import Load
from benchmarks.processes import pss_mib, tree, uss_mib
from tests.support.postgres import Cluster

TITLES = ["part", "adds", "sum", "guide"]
GUIDE = 120
SIGN_INS, CONNECTIONS = 500, 8

#: The order is the one in which a worker needs them. A step does not count what an earlier step has loaded.
_STEPS = (
    ("Python", "pass"),
    ("Flask, Werkzeug", "import flask, flask.sansio.app"),
    ("SQLAlchemy", "import sqlalchemy, sqlalchemy.orm"),
    ("Flask-SQLAlchemy", "import flask_sqlalchemy"),
    ("psycopg, libpq", "import psycopg, sqlalchemy.dialects.postgresql.psycopg"),
    ("cryptography (OpenSSL)", "import cryptography.hazmat.primitives.asymmetric.ec"),
    ("joserfc", "import joserfc.jwt"),
    ("Authlib", "import authlib.oauth2.rfc6749"),
    ("argon2-cffi", "import argon2"),
    ("pydantic", "import pydantic"),
    ("structlog, prometheus-client", "import structlog, prometheus_client"),
    ("Alembic, Flask-Migrate", "import flask_migrate"),
    ("uvicorn, uvloop, httptools", "import uvicorn, uvloop, httptools, uvicorn.protocols.http.httptools_impl"),
    ("click, rich", "import click, rich.table"),
    ("authserver", "import authserver.app, authserver.cli"),
)
_MEASURE = "from benchmarks.processes import uss_mib; print(uss_mib())"


def measure(cluster: Cluster | None) -> Iterator[list[str]]:
    """Yield the parts, then the workers of a live server that has answered one request."""
    before = 0.0
    for count, (name, _) in enumerate(_STEPS, start=1):
        now = _after(count)
        yield [name, f"{now - before:.1f}", f"{now:.1f}", ""]
        before = now
    with authserver(cluster) as contestant:
        parent, *workers = tree(contestant.pid)
        worker = max(pss_mib(pid) for pid in workers)
        yield [
            "one idle worker (PSS: with its share of what it has in common)",
            "",
            f"{worker:.1f}",
            f"at most {GUIDE}",
        ]
        own = max(uss_mib(pid) for pid in workers)
        yield ["of that its own: engine, keys, threads, statements (USS)", "", f"{own:.1f}", ""]
        yield ["the parent of the workers, PSS", "", f"{pss_mib(parent):.1f}", ""]
        with Load(contestant.target, CONNECTIONS) as load:
            load.run("client credentials", 100)
            at_rest = {pid: uss_mib(pid) for pid in workers}
            load.run("password", SIGN_INS)
        grown = max(uss_mib(pid) - before for pid, before in at_rest.items())
        at_once = max(1, usable_cores() - 1)
        most = at_once * PasswordSettings().argon2_memory_kib / 1024 + 20
        yield [
            f"a worker's growth by {SIGN_INS} sign-ins, {at_once} at once (USS)",
            f"{grown:.1f}",
            "",
            f"at most {most:.0f}",
        ]


def _after(count: int) -> float:
    """Return the MiB of a fresh process after the first steps; the best of three."""
    code = "\n".join(["import os, pathlib", *(step for _, step in _STEPS[:count]), _MEASURE])
    command = [sys.executable, "-W", "ignore", "-c", code]
    return min(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3))
