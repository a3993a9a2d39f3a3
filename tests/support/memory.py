"""The folder that lies in memory. What tests write goes there, because on a disk each commit waits for it."""

from __future__ import annotations

import shutil
from pathlib import Path

_FOLDER = Path("/dev/shm")
_ROOM = 4 << 30  # bytes; many times what a run takes


def in_memory() -> Path | None:
    """Return the folder if it has room. A container gives it 64 MB, and macOS has none."""
    return _FOLDER if _FOLDER.is_dir() and shutil.disk_usage(_FOLDER).free > _ROOM else None
