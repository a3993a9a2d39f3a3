"""The same code at the same moment in threads or processes: for acts of which only one may happen."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from authserver.settings.model import Settings

_ROOT = Path(__file__).parent.parent.parent
_GIVEN = "import base64, pickle\nsettings = pickle.loads(base64.b64decode({settings!r}))\n"
_WAIT = '\nprint("ready", flush=True)\ninput()\n'


def processes_at_once(prepare: str, act: str, *, count: int, settings: Settings) -> list[str]:
    """Run `act` in `count` processes that have all run `prepare` before the first begins; return what each printed.

    Both are Python code, which finds `settings` under that name. If a process fails, the test fails with its traceback.
    """
    given = _GIVEN.format(settings=base64.b64encode(pickle.dumps(settings)).decode())
    processes = [_start(given + prepare + _WAIT + act, settings.key_dir.parent) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise AssertionError(process.communicate()[1])
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = []
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        printed.append(output.strip())
    return printed


def _start(code: str, directory: Path) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**inherited, "TMPDIR": str(directory)},
    )


def threads_at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads that start together; returns what they return, raises what one of them raises."""
    gate, results, errors = threading.Barrier(len(calls)), [], []

    def run(call: Callable[[], Any]) -> None:
        gate.wait()
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
