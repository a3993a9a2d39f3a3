"""Programs that the tests run beside the server: the example API, and node with `jose`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.missing_parts import missing

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
EXAMPLE = ROOT / "examples" / "api"
NODE = Path(__file__).parent / "node"
STOP_SECONDS = 60


class ExampleApi:
    """`examples/api/app.py` as a process of its own. Its output is in `log`."""

    def __init__(self, issuer: str, audience: str, log: Path) -> None:
        command = [str(_example_python()), str(EXAMPLE / "app.py"), "--issuer", issuer, "--audience", audience]
        self.log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment()
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("Example API on "), f"the example API did not start:\n{log.read_text()}"
        self.url = line.split()[-1]

    def stop(self) -> int:
        self._process.terminate()
        self._process.communicate(timeout=STOP_SECONDS)
        return self._process.returncode


def verify_with_jose(token: str, issuer: str, audience: str) -> dict[str, Any]:
    """The result of node's `jose` for a token: `header` and `claims`, or `error`."""
    command = [_node(), str(NODE / "verify.js"), issuer, audience]
    done = subprocess.run(
        command, input=token, capture_output=True, text=True, timeout=120, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _example_python() -> Path:
    """Python in an environment with the example's locked packages and without the server. It is made once."""
    lock = EXAMPLE / "requirements.txt"
    name = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = CACHE / f"example-api-{name}"
    with _alone("example-api"):
        if not (folder / "installed").exists():
            venv.create(folder, clear=True, with_pip=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True)
            (folder / "installed").touch()
    return folder / "bin" / "python"


def _node() -> str:
    """The path of node, with the locked packages in place. Skips the test without node, or fails if it is required."""
    how = "apt-get install nodejs npm (node 18 or newer)"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("node", how)
    lock, installed = NODE / "package-lock.json", NODE / "node_modules" / ".package-lock.json"
    with _alone("node"):
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            done = subprocess.run(
                [npm, "ci", "--loglevel=error"], cwd=NODE, capture_output=True, text=True, check=False
            )
            if done.returncode:
                missing("node", f"npm ci in {NODE} failed: {done.stderr.strip()}")
    return node


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one test process at a time install. The others wait and find the packages."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    """The environment without variables that would change another program: our settings, Python's paths, a proxy."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHSERVER_", "PYTHON"))}
    return ours | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
