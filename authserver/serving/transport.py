"""The transport that uvicorn sees: it does not decide when a connection is read or closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Transport:
    """What uvicorn uses of a transport. The protocol decides how it is closed, and alone when to read."""

    def __init__(self, tcp: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.abort, self.get_extra_info = tcp.write, tcp.abort, tcp.get_extra_info
        self._tcp, self._close, self._closing = tcp, close, False

    def is_closing(self) -> bool:
        return self._closing or self._tcp.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._close()

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""
