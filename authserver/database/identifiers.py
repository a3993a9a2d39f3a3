"""UUIDv7: ids whose order is the order of time, so that rows land at the end of the index (RFC 9562 section 5.7)."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds since the epoch by this node's clock, 12 of their fraction, 62 random bits.

    By the fraction (RFC 9562 section 6.2, method 3) the events of one process stand in the audit record in the order in
    which they happened, also those of one millisecond.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | secrets.randbits(62))
