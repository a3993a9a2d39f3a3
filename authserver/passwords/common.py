"""The common passwords that ship with the server, as one text that all workers share.

The text is read when the module is imported, before the server forks: its 242 kB are in memory once. A set of the same
words would take 3.6 MiB.
"""

from __future__ import annotations

from importlib.resources import files

# Folded words, one a line, sorted by bytes. common_passwords.LICENSE has the origin.
_LINES = (files("authserver.passwords") / "common_passwords.txt").read_bytes()


def is_common(word: str) -> bool:
    """Whether a folded word is in the list."""
    wanted = word.encode()
    low, high = 0, len(_LINES)  # both stand at the beginning of a line
    while low < high:
        middle = (low + high) // 2
        start = max(low, _LINES.rfind(b"\n", low, middle) + 1)
        end = _LINES.index(b"\n", start)
        line = _LINES[start:end]
        if line == wanted:
            return True
        low, high = (end + 1, high) if line < wanted else (low, start)
    return False
