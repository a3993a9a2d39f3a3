"""Asks a server for documents all the time, from a process of its own, and notes how long each answer took.

Run as a module this is that process: it asks until its standard input is closed, then writes what it saw.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple, Self

_PAUSE = 0.02  # seconds between two questions for one document
_LONGEST = 30.0


class Sample(NamedTuple):
    """One answer: the document, when it was asked for (`time.monotonic()`), the seconds that it took, and its status.

    The status is 0 if there was no answer.
    """

    path: str
    at: float
    seconds: float
    status: int


class Prober:
    """Use it in a `with` block; `samples` is complete after it."""

    def __init__(self, port: int, paths: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.prober", str(port), *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "asks\n"
        return self

    def __exit__(self, *_: object) -> None:
        said = self._process.communicate("")[0]
        self.samples = [Sample(*sample) for sample in json.loads(said)]


def _ask(port: int, path: str, over: threading.Event, samples: list[Sample]) -> None:
    connection: HTTPConnection | None = None
    while not over.wait(_PAUSE):
        if connection is None:
            connection = HTTPConnection("127.0.0.1", port, timeout=_LONGEST)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began, status = time.monotonic(), 0
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, HTTPException):
            connection = None
        samples.append(Sample(path, began, time.monotonic() - began, status))


def main() -> None:
    port, paths = int(sys.argv[1]), sys.argv[2:]
    over = threading.Event()
    samples: list[Sample] = []
    threads = [threading.Thread(target=_ask, args=(port, path, over, samples)) for path in paths]
    for thread in threads:
        thread.start()
    sys.stdout.write("asks\n")
    sys.stdout.flush()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main()
