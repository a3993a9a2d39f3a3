"""Proxies that compress answers change their ETags. A program sends back what it got, and its changes go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.proxies import proxy_or_skip, run_caddy, run_nginx
from tests.support.server import LiveServer, free_port
from tests.support.setup import Setup


@contextlib.contextmanager
def _nginx(directory: Path, port: int, upstream: int) -> Iterator[None]:
    compression = "gzip on; gzip_types application/json; gzip_proxied any; gzip_min_length 20;"
    site = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}"
    with run_nginx(directory, f"{compression} {site}", f"http://127.0.0.1:{port}"):
        yield


@contextlib.contextmanager
def _caddy(directory: Path, port: int, upstream: int) -> Iterator[None]:
    site = f"http://127.0.0.1:{port} {{\n\tencode gzip {{\n\t\tminimum_length 20\n\t}}\n\treverse_proxy 127.0.0.1:{upstream}\n}}\n"
    with run_caddy(directory, f"{{\n\tadmin off\n}}\n{site}", f"http://127.0.0.1:{port}"):
        yield


@pytest.fixture(params=[_nginx, _caddy], ids=["nginx", "caddy"])
def api(request: pytest.FixtureRequest, live: LiveServer, setup: Setup, tmp_path: Path) -> Iterator[AdminApi]:
    """A program that reaches the admin API through a proxy that compresses."""
    proxy_or_skip(request.node.callspec.id)
    port = free_port()
    with (
        request.param(tmp_path, port, live.port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        yield a_program(setup, http)


def test_changes_go_on_with_the_etag_that_came_through_the_proxy(api: AdminApi, setup: Setup):
    path = f"/users/{setup.a_person().id}"
    read = api.get(path, headers={"Accept-Encoding": "gzip"})
    assert read.headers["content-encoding"] == "gzip"
    first = read.headers["etag"]
    assert api.patch(path, {"roles": ["editor"]}, etag=first).status_code == 200
    assert refused(api.patch(path, {"roles": []}, etag=first), 412, "changed-meanwhile")
    assert api.delete(path, etag=api.get(path).headers["etag"]).status_code == 204
