"""How soon `make run` answers if its environment and database exist."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ports import free_port

ROOT = Path(__file__).parent.parent
TITLES = ["start", "seconds", "guide"]
GUIDE = 2.0


def measure(times: int) -> Iterator[list[str]]:
    """Yield the first start, which makes the database, and the slowest of the next starts."""
    if (ROOT / ".venv" / ".server").exists():
        name, command = "make run", ["make", "--silent", "run"]
    else:
        # The Makefile's environment does not exist: run the command of `make run` with this interpreter.
        name, command = "python -m authserver.demo", [sys.executable, "-m", "authserver.demo"]
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        first = _start(command, directory)
        yield [f"{name}, first", f"{first:.2f}", ""]
        yield [f"{name}, again", f"{max(_start(command, directory) for _ in range(times)):.2f}", f"at most {GUIDE}"]


def _start(command: list[str], directory: str) -> float:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    environment |= {
        "AUTHSERVER_SERVER__PORT": str(port),
        "AUTHSERVER_ISSUER": f"http://127.0.0.1:{port}",
        "AUTHSERVER_DATA_DIR": f"{directory}/data",
        "AUTHSERVER_KEY_DIR": f"{directory}/keys",
    }
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() - started > 120:
                    raise SystemExit("benchmarks: the demo did not start")
                time.sleep(0.01)
            return time.perf_counter() - started
        finally:
            os.killpg(process.pid, signal.SIGINT)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/.well-known/jwks.json")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
