"""docs/getting-started.md works as it stands: every command is run, in order, by a shell, on other ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.programs import _example_python
from tests.support.ports import free_port
from tests.support.server import ROOT

PAGE = ROOT / "docs" / "getting-started.md"
BLOCK = re.compile(r"^```sh( server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_command_of_the_page_works(tmp_path: Path):
    install, *blocks = [(bool(server), _adapted(text)) for server, text in BLOCK.findall(_on_free_ports())]
    assert "make environment example" in install[1], "the tests have installed all of it already"
    script = "".join(text for is_server, text in blocks if not is_server)
    servers = [text for is_server, text in blocks if is_server]
    assert len(servers) == 2

    # The servers start in the middle of the page, so the script is cut in two.
    first, second = script.split("curl -fsS --retry", 1)
    _install(tmp_path)
    before = _run(first, tmp_path)
    with _started(servers, tmp_path):
        after = _run(f"curl -fsS --retry{second}", tmp_path)

    assert "Registered example-app." in before
    assert re.search(r'"expires_in": 900,\n +"scope": "profile:read profile:write"', after)
    assert '"display_name":null' in after
    assert "401 UNAUTHORIZED" in after
    assert '"error": "invalid_grant"' in after
    assert re.search(r"^reason +The session was ended before", after, re.MULTILINE)
    assert not list(tmp_path.glob("*.json"))


def _on_free_ports() -> str:
    server, api = str(free_port()), str(free_port())
    text = (
        PAGE.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{server}").replace("127.0.0.1:8001", f"127.0.0.1:{api}")
    )
    text = text.replace("app.py --issuer", f"app.py --port {api} --issuer")
    return text.replace(
        "authserver serve\n", f"AUTHSERVER_ISSUER=http://127.0.0.1:{server} authserver serve --port {server}\n"
    )


def _adapted(text: str) -> str:
    """The page's commands, with the programs of the tests in place of the installed ones."""
    text = text.replace("examples/api/.venv/bin/python", str(_example_python()))
    return text.replace("examples/api/app.py", str(ROOT / "examples/api/app.py")).replace(". .venv/bin/activate\n", "")


def _install(directory: Path) -> None:
    """Write a command `authserver` that runs this checkout."""
    (directory / "bin").mkdir()
    command = directory / "bin" / "authserver"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m authserver "$@"\n')
    command.chmod(0o700)


def _environment(directory: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHSERVER_", "PYTHON"))}
    return {**ours, "PATH": f"{directory / 'bin'}:{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"}


def _run(script: str, directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=_environment(directory),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _started(servers: list[str], directory: Path) -> Iterator[None]:
    processes = []
    with (directory / "servers.log").open("wb") as log:
        try:
            for text in servers:
                shell = ["bash", "-euc", text]
                processes.append(
                    subprocess.Popen(
                        shell,
                        cwd=directory,
                        env=_environment(directory),
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
            yield
        finally:
            for process in processes:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=60)
