"""Starts the programs of this folder: APIs and client apps with libraries of other makers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.interop.programs import _environment
from tests.support.missing_parts import missing

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
BUILT = ROOT / ".cache" / "foreign"
STOP_SECONDS = 60


@dataclass(frozen=True)
class Library:
    """A library and the command of its API, in the folder of its `part` (the name of a pytest marker)."""

    name: str
    part: str
    command: tuple[str, ...]


LIBRARIES = [
    Library("jose", "node", ("node", "jose.js")),
    Library("express-oauth2-jwt-bearer", "node", ("node", "express.js")),
    Library("go-oidc", "go", ("./resource-server",)),
    Library("jsonwebtoken", "rust", ("target/release/resource-server",)),
    Library("nimbus", "java", ("java", "-cp", "classes:lib/*", "ResourceServer")),
    Library("pyjwt", "python", (sys.executable, "pyjwt_api.py")),
    Library("authlib", "python", (sys.executable, "authlib_api.py")),
]


class Program:
    """A process of its own that serves HTTP at `url`. Its errors are in `log`."""

    def __init__(self, part: str, command: Sequence[str], log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder(part), stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment()
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"{command} did not start:\n{log.read_text()}"
        self.url = line.split()[-1]
        self.http = httpx.Client(base_url=self.url, timeout=60)

    def stop(self) -> None:
        self.http.close()
        self._process.kill()
        self._process.communicate(timeout=STOP_SECONDS)


class ForeignApi(Program):
    """An API with a library of another maker."""

    def __init__(self, library: Library, issuer: str, audience: str, log: Path) -> None:
        super().__init__(library.part, [*library.command, issuer, audience], log)
        self.library = library

    def ask(self, token: str, path: str = "/") -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {token}"})


def run_node(script: str, *arguments: str, given: str = "") -> Any:
    """Run a program of the node folder to its end, and return the JSON that it prints."""
    command = ["node", script, *arguments]
    where = folder("node")
    done = subprocess.run(
        command, cwd=where, input=given, capture_output=True, text=True, timeout=120, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def folder(part: str) -> Path:
    """The folder with the built programs of a part. Skips the test without it, or fails if the part is required."""
    if part == "python":
        return HERE / part
    command = [str(ROOT / ".ci" / "foreign"), "--check", part]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode:
        missing(part, checked.stdout.strip() or checked.stderr.strip())
    return BUILT / part
