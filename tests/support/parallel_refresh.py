"""Refreshes by many threads of several processes: one interpreter's lock would put the requests in a row."""

from __future__ import annotations

import json
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from typing import NamedTuple, Self
from urllib.parse import urlencode


class RefreshAnswer(NamedTuple):
    """The parts of an answer that a race decides."""

    status: int
    refresh_token: str | None


class RefreshingProcesses:
    """Processes of threads that present one refresh token of a public client, all at the same time."""

    def __init__(self, port: int, client_id: str, *, processes: int, threads: int) -> None:
        # spawn, because the threads and connections of the test process must not be forked.
        context = multiprocessing.get_context("spawn")
        self._start = context.Barrier(processes)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(port, client_id, threads, self._start, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def refresh(self, refresh_token: str) -> list[RefreshAnswer]:
        """Present the token once from every thread, and return all answers."""
        for pipe in self._pipes:
            pipe.send(refresh_token)
        return [answer for pipe in self._pipes for answer in pipe.recv()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()


def _work(port: int, client_id: str, threads: int, start: threading.Barrier, pipe: Connection) -> None:
    """One process: each thread keeps its connection, and all threads wait for each other before they send."""

    def wait_for_other_processes() -> None:
        start.wait()

    together = threading.Barrier(threads, action=wait_for_other_processes)
    mine = threading.local()

    def refresh(refresh_token: str) -> RefreshAnswer:
        if not hasattr(mine, "connection"):
            mine.connection = HTTPConnection("127.0.0.1", port, timeout=60)
            mine.connection.connect()
        together.wait()
        return post_refresh(mine.connection, client_id, refresh_token)

    with ThreadPoolExecutor(threads) as pool:
        while True:
            try:
                token = pipe.recv()
            except EOFError:
                return
            pipe.send(list(pool.map(refresh, [token] * threads)))


def post_refresh(connection: HTTPConnection, client_id: str, refresh_token: str) -> RefreshAnswer:
    """Refresh as a public client. Raises what http.client raises when the connection breaks."""
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
    connection.request("POST", "/token", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    body = json.loads(response.read())
    return RefreshAnswer(response.status, body.get("refresh_token"))
