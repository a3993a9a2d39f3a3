"""The bytes that have arrived on a connection, cut so that the parser never sees past the end of a request.

The parser cannot be stopped there. So what is behind a request stays bytes until that request is answered: a pipeline
costs what it weighs, and a request that is refused has nothing behind it that was parsed already.
"""

from __future__ import annotations

from authserver.serving.heads import BARE_LINE_FEED

EMPTY_LINE = b"\r\n\r\n"


class Arrivals:
    """Bytes in order. A head, and a body in chunks with its trailers, can end only at an empty line."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0  # where the bytes begin that were not taken
        self._searched = 0  # bytes of an incomplete head that were searched for its end
        self._tail = b""  # the last bytes that were taken of a body in chunks

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        self._data, self._at = self._data[self._at :] + data, 0

    def clear(self) -> None:
        self._data, self._at, self._searched = b"", 0, 0

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        self._at += len(piece)
        if not self:
            self.clear()  # an idle connection keeps no bytes
        return piece

    def take_head(self) -> bytes | None:
        """Take the next head as a whole. Empty lines before it do not count (RFC 9112 section 2.2)."""
        while self._data.startswith(b"\r\n", self._at):
            self._at += 2
        end = self._data.find(EMPTY_LINE, self._at + max(0, self._searched - 3))
        if end < 0:
            return None
        self._searched, self._tail = 0, b""
        return self.take(end + len(EMPTY_LINE) - self._at)

    def cannot_become_a_head(self) -> bool:
        """Whether the first bytes belong to no request, such as those of TLS. Looks only at those that are new."""
        known, self._searched = self._searched, len(self)
        first = self._data[self._at : self._at + 1]
        alien = not (first.isupper() or self._data[self._at :] in {b"", b"\r"})
        return alien or BARE_LINE_FEED.search(self._data, self._at + max(0, known - 1)) is not None

    def take_chunked(self, most: int) -> bytes:
        """Take at most so many bytes, up to the next empty line."""
        seen = self._tail + self._data[self._at : self._at + most]
        end = seen.find(EMPTY_LINE)
        piece = self.take((end + len(EMPTY_LINE) if end >= 0 else len(seen)) - len(self._tail))
        self._tail = (self._tail + piece)[-3:]
        return piece
