"""The machine's slots for hashing: files whose `flock` says who may hash, shared by all worker processes.

The kernel drops a lock when its process dies, even by `kill -9`; a counting semaphore would lose a slot for ever. A
FIFO beside the slots wakes the processes that wait, so that they need not poll.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import weakref
from pathlib import Path

# A holder that was killed does not announce that its slot is free, so waiting processes look again this often.
LOOK_AGAIN_SECONDS = 0.1


class HashingDirectoryRefused(Exception):  # an outcome, named as one
    """The directory of the slot files is not private or cannot be used; the text says why and what would be right."""


class MachineSlots:
    """The slot files of one directory.

    Fork-safe, if `forget` is called in the child: with its parent's descriptors it would share its parent's locks.
    `try_acquire` and `wait` are for one thread at a time; `release` and `notify` are for any.

    Raises:
        HashingDirectoryRefused: at construction, or at the first `try_acquire` after `forget`.
    """

    def __init__(self, directory: Path, count: int) -> None:
        self.count = count
        self._path = directory
        self._descriptors: list[int] = []  # the directory, the FIFO, then the slots
        self._held: set[int] = set()
        closing = weakref.finalize(self, _close_all, self._descriptors)
        closing.atexit = False  # request threads may be hashing even then, and the kernel closes everything anyway
        self._open()

    def try_acquire(self) -> int | None:
        """Take a free slot and return its number, or None. Never waits."""
        if not self._descriptors:
            self._open()
        for index, descriptor in enumerate(self._descriptors[2:]):
            # flock grants a lock again to the descriptor that has it already, so skip the slots of this process.
            if index in self._held:
                continue
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._held.add(index)
                return index
        return None

    def release(self, index: int) -> None:
        """Give a slot back and wake a waiting caller, here or in another process."""
        # Unlock first: if the slot were marked free before, another thread could take it and then lose its lock here.
        fcntl.flock(self._descriptors[2 + index], fcntl.LOCK_UN)
        self._held.discard(index)
        self.notify()

    def notify(self) -> None:
        """Say that a slot may be free. This is only a hint: a lost or doubled one does no harm."""
        with contextlib.suppress(BlockingIOError):  # the FIFO is full: there are enough hints
            os.write(self._descriptors[1], b"!")

    def wait(self, seconds: float) -> None:
        """Sleep until a slot may be free, at most `seconds` and at most `LOOK_AGAIN_SECONDS`."""
        poller = select.poll()  # not select(): a busy worker has descriptors above its limit of 1024
        poller.register(self._descriptors[1], select.POLLIN)
        poller.poll(max(0.0, min(seconds, LOOK_AGAIN_SECONDS)) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptors[1], 65536)  # all hints: each stale one would make one more wait return at once

    def forget(self) -> None:
        """In a forked child: close all files; the next use opens them again. The parent keeps its locks."""
        _close_all(self._descriptors)
        self._held = set()

    def _open(self) -> None:
        opened = self._descriptors
        try:
            opened.append(_open_private_directory(self._path))
            opened.append(_open_fifo(opened[0]))
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            for index in range(self.count):
                opened.append(os.open(f"slot-{index}", flags, 0o600, dir_fd=opened[0]))
        except (OSError, HashingDirectoryRefused) as error:
            _close_all(opened)
            if isinstance(error, HashingDirectoryRefused):
                raise
            raise HashingDirectoryRefused(
                f"hashing slots cannot be opened in {self._path}: {error.strerror}. "
                "Name a directory that this user owns and can write, with mode 0700"
            ) from error


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _open_private_directory(path: Path) -> int:
    """Open the directory, made if missing, without following a link.

    In a shared place like /tmp an attacker could make it first, or link it elsewhere, to hold all slots or to choose
    where files are made. The checks look at the opened directory, so it cannot be swapped after them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if path.is_symlink() or not path.is_dir():
        raise HashingDirectoryRefused(f"{path} is a link or no directory. Remove it, or name another directory")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(descriptor)
        raise HashingDirectoryRefused(
            f"{path} is not private: it has owner {status.st_uid} and mode {stat.S_IMODE(status.st_mode):04o}, and "
            f"hashing slots need owner {os.geteuid()} and mode 0700. Remove it, or name another directory"
        )
    # systemd-tmpfiles removes old files, but not below a locked directory. If slots were removed while they are open,
    # the next worker would make new ones, and the machine would hash twice as much.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def _open_fifo(directory: int) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkfifo("freed", 0o600, dir_fd=directory)
    # Open for reading and writing, so that neither end ever sees the other as closed.
    descriptor = os.open("freed", os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=directory)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise HashingDirectoryRefused("the file `freed` in the directory of the hashing slots is no FIFO. Remove it")
    return descriptor
