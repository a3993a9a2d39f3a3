"""Servers around authserver/serving."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.wsgi_server import Server, serving


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only send requests."""
    with serving(tmp_path_factory.mktemp("serving")) as server:
        yield server


@pytest.fixture
def impatient_server(tmp_path: Path) -> Iterator[Server]:
    """A server that gives a client two seconds to send a request. The other server never runs out of patience."""
    with serving(tmp_path, "--impatient") as server:
        yield server
