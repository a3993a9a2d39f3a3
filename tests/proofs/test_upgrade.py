"""An upgrade from an earlier version, named in `upgrade_from`, under load: no request fails, forth and back."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authserver.database import schema
from tests.support import old_rows
from tests.support.hasher import until
from tests.support.keys import verified
from tests.support.migration_rule import BEFORE, BEFORE_REVISION
from tests.support.oauth import App, OAuth, Person
from tests.support.proof import Proof
from tests.support.rolling import Balancer, RollingClient, at_work
from tests.support.server import ROOT, LiveServer
from tests.support.setup import ISSUER, Setup, make_setup

SHARED = {"AUTHSERVER_ISSUER": ISSUER, "AUTHSERVER_MASTER_KEY": old_rows.MASTER_KEY}
API_CLIENT = App("old-api", "the secret of an API")

pytestmark = pytest.mark.postgresql


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Path]:
    """A checkout of the earlier version. It runs with the dependencies of this one."""
    if git("cat-file", "-e", f"{BEFORE}^{{commit}}").returncode:
        pytest.fail(f"the repository lacks commit {BEFORE}: get its whole history (git fetch --unshallow)")
    place = tmp_path / "earlier"
    added = git("worktree", "add", "--detach", str(place), BEFORE)
    assert added.returncode == 0, added.stderr
    yield place
    git("worktree", "remove", "--force", str(place))


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = make_setup("postgresql", tmp_path)
    made.sql("DROP SCHEMA public CASCADE")
    made.sql("CREATE SCHEMA public")
    yield made
    made.close()


def upgrade(node: LiveServer) -> None:
    """`authserver db upgrade` by the version of a node."""
    command = [sys.executable, "-m", "authserver", "db", "upgrade"]
    ran = subprocess.run(command, cwd=node.root, env=node.environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def fill(setup: Setup) -> None:
    """Put rows into the schema of the earlier version."""
    with setup.database.transaction() as connection:
        assert schema.current(connection) == BEFORE_REVISION, "correct the revision in upgrade_from"
        rows: dict[str, list[dict[str, Any]]] = {**old_rows.ROWS[BEFORE_REVISION]}
        digest = hashlib.sha256((API_CLIENT.secret or "").encode()).digest()
        asks = {"client_id": API_CLIENT.client_id, "auth_methods": "client_secret_basic", "secret_digest": digest}
        rows["clients"] = [*rows["clients"], {**rows["clients"][0], **asks, "kind": "service", "status_index": 1}]
        rows["apis"] = [{**rows["apis"][0], "client_id": API_CLIENT.client_id}]
        old_rows.put(connection, rows)


def as_an_api(client: RollingClient) -> None:
    """Check the access token by the key set and by introspection, and read a status list."""
    client.ask(lambda oauth: oauth.http.get("/status/0"))
    asked, _ = client.ask(lambda oauth: oauth.as_app(API_CLIENT).post("/introspect", {"token": client.access_token}))
    assert asked.json()["active"]

    def verify(oauth: OAuth) -> Any:
        assert verified(oauth, client.access_token)["sid"] == client.session_id
        return oauth.http.get("/readyz")

    client.ask(verify)


def across(clients: list[RollingClient], version: Path) -> int:
    """How many retries went from a node of this version to one of the other."""
    counts = [client.repeated.copy() for client in clients]
    return sum(n for count in counts for (first, second), n in count.items() if first == str(version) != second)


def await_retries(clients: list[RollingClient], earlier: Path, more: int, look: Callable[[], None]) -> None:
    """Let both versions serve side by side until so many retries have crossed in each direction."""
    goals = {version: across(clients, version) + more for version in (earlier, ROOT)}

    def crossed() -> bool:
        look()
        return all(across(clients, version) >= goal for version, goal in goals.items())

    until(crossed)


def test_upgrade(proof: Proof, setup: Setup, earlier: Path):
    """Upgrade from the earlier version under load, one node after the other, with one node rolled back."""
    count = proof.amount(2, 3)
    old = [LiveServer(setup, workers=1, root=earlier, **SHARED) for _ in range(count)]
    new = [LiveServer(setup, workers=1, port=node.port, **SHARED) for node in old]
    upgrade(old[0])
    fill(setup)
    balancer = Balancer([node.start() for node in old])
    app, person = App(old_rows.CLIENT_ID, None), Person("", old_rows.USERNAME, old_rows.PASSWORD)
    clients = [
        RollingClient(balancer, setup, app, person, proof.seed + number) for number in range(proof.amount(3, 12))
    ]
    others = (as_an_api, lambda client: client.ask(lambda oauth: oauth.sign_in(person)), RollingClient.refresh)
    try:
        for client in clients:
            client.sign_in()
        clients[0].session_id, clients[0].refresh_token = old_rows.SESSION_ID, old_rows.REFRESH_TOKEN
        with at_work(clients, *others) as look:
            began = time.monotonic()
            upgrade(new[0])
            migrated = time.monotonic() - began
            for back, forth in ((old[0], new[0]), (new[0], old[0]), (old[0], new[0])):
                balancer.replace(back, forth)
                if forth is new[0]:
                    await_retries(clients, earlier, proof.amount(3, 30), look)
            for back, forth in zip(old[1:], new[1:], strict=True):
                balancer.replace(back, forth)
            rolled = time.monotonic() - began
    finally:
        balancer.stop()
    schema.check(setup.database)
    assert f"schema {schema.newest()} is newer than this authserver ({BEFORE_REVISION})" in old[0].log.read_text()
    assert setup.sql("SELECT id FROM sessions WHERE revoked_at IS NOT NULL") == []
    assert sum(client.put_off for client in clients) == 0, "503 is a failure too: nothing was overloaded"
    proof.figure(f"upgrade of the schema from {BEFORE_REVISION} to {schema.newest()}", f"{migrated:.1f} s")
    proof.figure(f"{count} nodes replaced, one of them also back and forth", f"{rolled - migrated:.1f} s")
    proof.figure("requests meanwhile, none of which failed", f"{sum(client.requests for client in clients):,}")
    proof.figure("refreshes that rotated", f"{sum(client.refreshes for client in clients):,}")
    proof.figure(
        "retries of an answer of the earlier version at this one, and the other way round",
        f"{across(clients, earlier):,} and {across(clients, ROOT):,}",
    )
    proof.figure("longest answer", f"{max(client.longest for client in clients) * 1000:.0f} ms")
