"""Makes C's allocator give back what is freed, so that a worker stays as small as it began."""

from __future__ import annotations

import ctypes

#: From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_AT_MOST = 512 * 1024


def give_back_freed_memory() -> None:
    """Keep at most half a MiB of freed memory in each arena of glibc. Other allocators need nothing.

    By itself glibc raises both thresholds at the first large block that is freed, up to 32 and 64 MiB. From then on the
    arena of every thread keeps the most that the thread has ever used: a password hash of another system takes up to
    256 MiB. A threshold that is set stays as it is. The server's own hashes keep their memory themselves
    (`passwords/argon2id.py`), so they pay nothing for this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl and macOS do not have it
        mallopt(_M_MMAP_THRESHOLD, _KEPT_AT_MOST // 2)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_MOST)
