"""A node that answers questions about its health and nothing else."""

from __future__ import annotations

import httpx
from flask import Flask

from authserver.keys.keyring import Keyring
from authserver.keys.setup import open_vault
from authserver.keys.vault import Vault
from authserver.operations import health
from authserver.operations.health import Readiness
from tests.support.setup import Setup


def a_node(setup: Setup, *, vault: Vault | None = None) -> httpx.Client:
    """A new node, because an old one repeats its answer for a second and would hide what a test has just done."""
    app = Flask("node")
    keyring = Keyring(setup.database, vault or open_vault(setup.settings), max_age=4)
    skew = setup.settings.database.max_clock_skew
    health.register(app, Readiness(setup.database, keyring, max_clock_skew=skew), "")
    return httpx.Client(transport=httpx.WSGITransport(app), base_url=setup.settings.issuer)


def problem(node: httpx.Client) -> str:
    """The only reason why a node is not ready."""
    answer = node.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    (text,) = answer.json()["problems"]
    return str(text)
