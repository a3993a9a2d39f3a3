"""Ports for servers whose address has to be known before they start."""

from __future__ import annotations

import os
import socket
import sys

#: How many ports are kept: more than one test needs, and far below the limit of open files.
_MOST = 50
_kept: list[int] = []


def free_port() -> int:
    """A free port, kept for this process as long as a test may need it.

    A test may start a server on it several times. Linux lets the server listen beside our socket, because both have
    SO_REUSEADDR. Linux gives the port neither to a process that asks for any port nor to an outgoing connection.
    If our socket were closed, another process of the test run could take the port before the server starts.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        if sys.platform == "linux":
            _kept.append(probe.detach())
    if len(_kept) > _MOST:
        os.close(_kept.pop(0))
    return port
