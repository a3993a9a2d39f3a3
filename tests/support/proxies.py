"""Real proxies in processes of their own: nginx and Caddy, with the configuration that a test gives."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.missing_parts import missing


def proxy_or_skip(kind: str) -> None:
    """Skip the test, or fail it where everything is required, if `nginx` or `caddy` is not installed."""
    if shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin") is None:
        missing(kind, f"apt-get install {'nginx-light' if kind == 'nginx' else kind}")


@contextlib.contextmanager
def run_nginx(directory: Path, http: str, url: str) -> Iterator[None]:
    """Run nginx with these lines in its `http` block during the block; it answers at `url`."""
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{place}_temp_path {directory}/{place};" for place in places)
    user = "user root;" if os.getuid() == 0 else ""
    (directory / "nginx.conf").write_text(
        f"{user} daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} {http} }}\n"
    )
    command = ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    with _running(directory, command, url):
        yield


@contextlib.contextmanager
def run_caddy(directory: Path, text: str, url: str) -> Iterator[None]:
    """Run Caddy with this Caddyfile during the block; it answers at `url`."""
    (directory / "Caddyfile").write_text(text)
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]
    with _running(directory, command, url):
        yield


@contextlib.contextmanager
def _running(directory: Path, command: list[str], url: str) -> Iterator[None]:
    log = directory / "proxy.log"
    environment = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(url, verify=False, timeout=5)
                break
            except httpx.ConnectError as error:
                if "SSL" in str(error) or "alert" in str(error):
                    break  # it listens, without a certificate for a bare address
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
