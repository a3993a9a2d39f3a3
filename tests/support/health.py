"""A node of which nothing but its health can be asked."""

from __future__ import annotations

import httpx
from flask import Flask

from authserver.keys.keyring import Keyring
from authserver.keys.setup import open_vault
from authserver.keys.vault import Vault
from authserver.operations import health
from authserver.operations.health import Readiness
from tests.support.stage import Stage


def a_node(stage: Stage, *, vault: Vault | None = None) -> httpx.Client:
    """Health alone, unasked before: an answer of the last second would hide what has just been done."""
    app = Flask("node")
    keyring = Keyring(stage.database, vault or open_vault(stage.settings), max_age=4)
    skew = stage.settings.database.max_clock_skew
    health.register(app, Readiness(stage.database, keyring, max_clock_skew=skew))
    return httpx.Client(transport=httpx.WSGITransport(app), base_url=stage.settings.issuer)


def problem(node: httpx.Client) -> str:
    """The one thing that keeps a node from being ready."""
    answer = node.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    (text,) = answer.json()["problems"]
    return str(text)
