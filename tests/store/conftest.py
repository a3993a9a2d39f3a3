"""Fixtures of several files: nodes, the housekeeping of the app, and a setup without a finding of the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.operations.housekeeping import Housekeeping
from tests.support.healthy import make_healthy
from tests.support.keys import Node, settings_of
from tests.support.oauth import OAuth
from tests.support.setup import Setup


@pytest.fixture
def node(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Starts nodes on the setup's database: `node(master_key=…)`, each with caches of its own."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    started: list[tuple[Flask, httpx.Client]] = []
    app = setup.an_app(retry_window=0)

    def start(**changes: Any) -> OAuth:
        made = create_app(settings_of(setup, **changes))
        http = httpx.Client(
            transport=httpx.WSGITransport(made, raise_app_exceptions=False), base_url=setup.settings.issuer
        )
        started.append((made, http))
        return OAuth(http, app)

    yield start
    for made, http in started:
        http.close()
        made.extensions["authserver"].database.dispose()


@pytest.fixture
def housekeeping(app: Flask) -> Housekeeping:
    made: Housekeeping = app.extensions["authserver"].housekeeping
    return made


@pytest.fixture
def healthy(setup: Setup) -> Setup:
    """A setup without a finding of the doctor."""
    return make_healthy(setup)
