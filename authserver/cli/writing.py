"""Files that commands write. A file appears when it is whole, and only its owner can read it.

A device, a pipe or standard output is written into, and a link is followed: none of them is replaced by a file.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from authserver.administration.errors import AdminError


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a path to write it; `-` is standard output. If the block fails, a file that was there is as before.

    Raises:
        AdminError: it cannot be written, or another user has put a link or a pipe there, who would get the contents.
    """
    try:
        if str(path) == "-" or _is_standard_output(path):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        _refuse_of_others(path)
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            with open(os.open(target, os.O_WRONLY | os.O_NOCTTY), "wb") as file:  # noqa: PTH123 - must not create a file
                yield file
        else:
            with _replaced(target) as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AdminError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Yield an empty file beside the target, which only its owner can read. It goes at the end, unless it was moved."""
    draft = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def settle(draft: Path, target: Path) -> None:
    """Put a draft in the target's place, once it is on the disk."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    with drafted(target) as draft:
        with draft.open("wb") as file:
            yield file
        settle(draft, target)


def _is_standard_output(path: Path) -> bool:
    """Whether the path is what standard output goes to, such as /dev/stdout. A second opening could cut it off."""
    with suppress(OSError, ValueError):
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    return False


def _refuse_of_others(path: Path) -> None:
    """In a directory that all may write to, another user may lay out a link or a pipe under a name that is expected."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        kinds = {stat.S_IFLNK: "link", stat.S_IFIFO: "pipe"}
        kind = kinds.get(stat.S_IFMT(found.st_mode))
        if kind is not None and found.st_uid not in (0, os.geteuid()):
            raise AdminError(f"{path} is a {kind} of another user: remove it, or choose another place")
