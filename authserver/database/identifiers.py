"""UUIDv7: ids that sort by time, so that new rows come at the end of the index (RFC 9562 section 5.7)."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds since the epoch by this node's clock, 12 of their fraction, 62 random bits.

    The fraction (RFC 9562 section 6.2, method 3) keeps the audit events of one process in order within a millisecond.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | secrets.randbits(62))
