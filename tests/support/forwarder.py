"""A TCP forwarder: a test can exchange the server behind its address, as a proxy or a failover does."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from typing import Self


class Forwarder:
    """Listens on `port` of this machine and leads each new connection to another port. Use it in a `with` block.

    `delay` is the time in seconds that data take either way. `torn` is the share of what the servers send that breaks the
    connection in its middle. Both may change.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.delay = 0.0
        self.torn = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._near: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # it ends accept(); only Linux does that to a listener
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def lead_to(self, target: int) -> None:
        """Lead new connections to this port; open connections stay where they are."""
        self._target = target

    def cut(self) -> None:
        """Break every connection that is open."""
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Break every connection that is open behind its client's back, as NAT does: it learns that when it sends."""
        self._forgotten |= self._near
        for end in self._open - self._near:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until the listener is closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            self._open |= {near, far}
            self._near.add(near)
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()
            self._open -= {near, far}
            self._near.discard(near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry bytes one way until either end closes, then close both; a forgotten client only once it has sent."""
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                time.sleep(self.delay)
                if source not in self._near and random.random() < self.torn:
                    sink.sendall(data[: len(data) // 2])
                    break
                sink.sendall(data)
        for end in (source, sink):
            if end is source or end not in self._forgotten:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
