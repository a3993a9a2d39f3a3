"""Takes connections from the sockets that all workers share, so that each worker gets its part of them.

A loop's own server takes all that wait at once. The first worker that wakes would get every connection of a balancer that
opens its pool, and keep it for as long as the pool lives.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from authserver.serving.limits import BoundedProtocol

#: Seconds without a try after the process had no file or memory for a connection.
_PAUSE = 0.1


class Listener:
    """One listening socket in one worker: one connection for each turn of the loop. Made and used in the loop's thread."""

    def __init__(self, listening: socket.socket, make_protocol: Callable[[], BoundedProtocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make_protocol = make_protocol
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        listening.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Take no more connections."""
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Do nothing: what was taken ends by itself."""

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._take_one)

    def _take_one(self) -> None:
        try:
            connection = self._listening.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker took it, or its client has left
        except OSError:
            self._loop.remove_reader(self._listening)
            self._pause = self._loop.call_later(_PAUSE, self._resume)
            return
        connecting = self._loop.create_task(self._connect(connection))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            _, protocol = await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:  # its client has left
            connection.close()
            return
        if self._is_closed:  # it was on its way when the other connections were told to end
            protocol.shutdown()
