"""Runs `authserver` commands in processes of their own that are forked from one which has imported the server.

That import is nine tenths of the time of a command, and the tests run hundreds. That each command imports what it needs is
tested by itself (`cli/test_imports.py`). Run as a script, this file is the process that is forked.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryFile

_ROOT = Path(__file__).parents[2]
_IMPORTED = ["alembic.command", "authserver.app", "authserver.cli.programs", "bcrypt", "psycopg", "rich.table"]


class Forked:
    """A command that was started. It does what `subprocess.Popen` does."""

    def __init__(self, channel: socket.socket) -> None:
        self.pid = int(channel.recv(16))
        self._channel = channel
        self._status: int | None = None

    def poll(self) -> int | None:
        """The status, or None if it has not ended."""
        try:
            return self.wait(0)
        except BlockingIOError:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the status. Raises an `OSError` after `timeout` seconds."""
        if self._status is None:
            self._channel.settimeout(timeout)
            self._status = int(self._channel.recv(16))
            self._channel.close()
        return self._status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start(arguments: Sequence[str], environment: Mapping[str, str], *streams: int) -> Forked:
    """Start one command with exactly this environment and these files as standard input, output and error output."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs, TemporaryFile("w+", encoding="utf-8") as asked:
        json.dump([arguments, dict(environment)], asked)
        asked.seek(0)
        socket.send_fds(_parent_of_commands(), [b"."], [*streams, asked.fileno(), theirs.fileno()])
    return Forked(ours)


def authserver(*arguments: str, environment: Mapping[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command with exactly this environment and standard input."""
    with ExitStack() as opened:
        typed, out, err = (opened.enter_context(TemporaryFile("w+", encoding="utf-8")) for _ in range(3))
        typed.write(given)
        typed.seek(0)
        status = start(arguments, environment, typed.fileno(), out.fileno(), err.fileno()).wait()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(["authserver", *arguments], status, out.read(), err.read())


@functools.cache
def _parent_of_commands() -> socket.socket:
    """Start the process, which ends when this one ends in any way."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=_ROOT, stdin=subprocess.DEVNULL)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _fork_for_each_command(asking: socket.socket) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets those that wait for a command
    while True:
        files = socket.recv_fds(asking, 1, 5)[1]
        if not files:
            return
        if os.fork() == 0:
            asking.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            *streams, asked, status = files
            command = os.fork()
            if command == 0:
                os.close(status)
                _become_the_command(streams, asked)
                return
            os.write(status, str(command).encode())
            ended = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
            os.write(status, str(ended).encode())
            os._exit(0)
        for file in files:
            os.close(file)


def _become_the_command(streams: list[int], asked: int) -> None:
    with open(asked, encoding="utf-8") as file:
        arguments, environment = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["authserver", *arguments]
    runpy.run_module("authserver", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _fork_for_each_command(channel)
