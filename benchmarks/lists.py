"""The cost of a status list of a million sessions: over the wire, to build, and in a verifier's memory."""

from __future__ import annotations

import base64
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
from sqlalchemy import event

from authserver.app import create_app
from authserver.tokens.status_list import StatusLists
from tests.support.oauth import claims
from tests.support.postgres import Cluster
from tests.support.setup import Setup, make_setup

TITLES = ["a list of 1,048,576 sessions, 1,000 of them revoked", "figure", "guide"]
SESSIONS = 1_000_000
REVOKED = 1_000


def measure(cluster: Cluster | None) -> Iterator[list[str]]:
    """Yield the figures, on PostgreSQL if there is a cluster."""
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        setup = make_setup("sqlite" if cluster is None else "postgresql", Path(directory), cluster)
        try:
            _fill(setup)
            parts = create_app(setup.settings).extensions["authserver"]
            statements: list[str] = []
            event.listen(parts.database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
            lists: StatusLists = parts.oauth.services.status_lists
            lists.get(0)
            built = []
            for _ in range(5):
                statements.clear()
                started = time.perf_counter()
                present = lists._build(0)  # noqa: SLF001 - the server does this at most once a second
                built.append(time.perf_counter() - started)
            assert jwt.get_unverified_header(present.token)["typ"] == "statuslist+jwt"
            database = setup.kind
            yield ["over the wire, bytes", f"{len(present.token):,}", ""]
            yield ["over the wire, gzip, bytes", f"{len(present.gzipped):,}", ""]
            yield [f"build on {database}, ms", f"{min(built) * 1000:.0f}", "once a second and node"]
            yield [f"statements to build it on {database}", str(len(statements)), "1"]
            yield ["in a verifier's memory, KiB", f"{_memory(present.token.decode()):.0f}", "at most 1,024"]
            parts.database.dispose()
        finally:
            setup.close()


def _memory(token: str) -> float:
    packed = claims(token)["status_list"]["lst"]
    tracemalloc.start()
    data = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) * 8 >= SESSIONS
    return kept / 1024


def _fill(setup: Setup) -> None:
    """Insert a million sessions, of which a thousand are ended."""
    now = setup.database.now()
    if setup.kind == "sqlite":
        numbers = "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :count)"
        source, identity = "s", "printf('%032x', n)"
    else:
        numbers, source = "", "generate_series(0, :count - 1) AS s(n)"
        identity = "CAST(lpad(to_hex(n), 32, '0') AS uuid)"
    columns = (
        "id, user_id, client_id, client_epoch, scopes, audiences, roles, auth_time, auth_methods, status_index, "
        "generation, current_presented, token_key_id, retries, recent_retries, late_retries, recent_late_retries, "
        "created_at, last_used_at, access_expires_at, idle_expires_at, absolute_expires_at"
    )
    false = "0" if setup.kind == "sqlite" else "false"
    setup.sql(
        f"INSERT INTO sessions ({columns}) {numbers} SELECT {identity}, {identity}, 'app', 1, 'read', 'api', '', "
        f":now, 'pwd', n, 0, {false}, 1, 0, 0, 0, 0, :now, :now, :later, :later, :later FROM {source}",
        count=SESSIONS,
        now=now,
        later=now + 900_000,
    )
    # They are chosen at random, because a regular pattern would compress to almost nothing.
    revoked = ", ".join(map(str, random.Random(1).sample(range(SESSIONS), REVOKED)))
    setup.sql(f"UPDATE sessions SET revoked_at = :now WHERE status_index IN ({revoked})", now=now)
    setup.sql("UPDATE status_counter SET next_index = :end", end=2**20)
    if setup.kind == "postgresql":
        setup.sql("ANALYZE sessions")
