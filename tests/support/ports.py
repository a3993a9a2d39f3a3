"""Ports for servers whose address has to be known before they start."""

from __future__ import annotations

import os
import socket
import sys

#: How many ports are kept: more than one test needs, and far fewer than a process may have files.
_MOST = 50
_kept: list[int] = []


def free_port() -> int:
    """A port on which nobody listens, and which nobody else is given for as long as a test may need it.

    A server may be started there as often as that takes. Linux lets it listen beside our socket, because both have
    SO_REUSEADDR, and gives the port neither to who asks for any nor to a connection that goes out. A port that was let
    go of could be taken by then: other processes of the test run start servers and connect to them all the time.
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
