"""Looks a password up in files of breached ones, by ranges of SHA-1 as Have I Been Pwned gives them. Uses no network.

A file has the name of the first five hex digits, with or without ".txt", and a line "SUFFIX:COUNT" for each password.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

from authserver.records import metrics

_log = logging.getLogger(__name__)

#: A file of Have I Been Pwned has about 40 kB.
_MOST_BYTES = 1_048_576


def is_breached(directory: Path, password: str) -> bool:
    """Whether the files know a password. Reads one file, and keeps nothing of it.

    A file that cannot be read counts as one without the password. The other rules hold, and a user whose old password
    leaked must be able to set another. The log and a metric tell of it, without the digits: they say much about the
    password.
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        lines = _read(directory, digest[:5])
    except OSError as error:
        metrics.BREACHED_FILES_UNREADABLE.inc()
        _log.error("A new password was not compared with the files of passwords.breached_dir: %s", error.strerror)
        return False
    found = re.search(rb"(?im)^" + digest[5:].encode() + rb"(?::(\d*))?\s*$", lines)
    # Lines of padding have the count 0.
    return found is not None and (found[1] is None or found[1].strip(b"0") != b"")


def is_readable(directory: Path, prefix: str) -> bool:
    """Whether the file of a prefix can be read."""
    try:
        _read(directory, prefix)
    except OSError:
        return False
    return True


def _read(directory: Path, prefix: str) -> bytes:
    try:
        file = (directory / prefix).open("rb")
    except FileNotFoundError:
        file = (directory / f"{prefix}.txt").open("rb")
    with file:
        lines = file.read(_MOST_BYTES + 1)
    if len(lines) > _MOST_BYTES:
        raise OSError(0, "the file is too large")
    return lines
