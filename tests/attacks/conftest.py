"""What several attacks need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from flask import Flask

from tests.support.guesses import Browsers, From
from tests.support.oauth import OAuth
from tests.support.setup import Setup
from tests.support.visitor import Visitor


@pytest.fixture
def from_address(app: Flask, setup: Setup) -> Iterator[From]:
    """A public client that anybody can use, from an address."""
    public = setup.an_app(public=True)
    with ExitStack() as stack:

        def at(address: str) -> OAuth:
            transport = httpx.WSGITransport(app, remote_addr=address)
            http = httpx.Client(transport=transport, base_url=setup.settings.issuer)
            return OAuth(stack.enter_context(http), public)

        yield at


@pytest.fixture
def browser_at(app: Flask, setup: Setup) -> Browsers:
    """A browser with cookies of its own, at an address."""

    def at(address: str) -> Visitor:
        transport = httpx.WSGITransport(app, remote_addr=address)
        return Visitor(httpx.Client(transport=transport, base_url=setup.settings.issuer), setup.settings.issuer)

    return at
