"""A clock that a test steps for some processes, by Debian's libfaketime. The machine's clock stays as it is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.support.missing_parts import missing

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class SteppedClock:
    """The clock of the processes that are started with `environment`, and of their children.

    Their monotonic clock is the machine's, as on a machine whose clock is stepped. libfaketime 0.9.10 then lets
    `time.sleep` of Python fail; the server waits for conditions instead.
    """

    def __init__(self) -> None:
        library = next((found for pattern in _LIBRARIES for found in Path("/").glob(pattern[1:])), None)
        if library is None:
            missing("faketime", "apt-get install faketime")
        number, name = tempfile.mkstemp(prefix="authserver-clock-")
        os.close(number)
        self._file = Path(name)
        self._file.chmod(0o644)  # PostgreSQL runs under another account
        self.step(0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": name,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, ahead: int) -> None:
        """Set it so many seconds ahead of the machine's clock, or behind it."""
        # In place and always as long: a process may read at any time.
        with self._file.open("r+") as file:
            file.write(f"{ahead:+07d}\n")

    def remove(self) -> None:
        """Delete its file, and what libfaketime has left in memory for processes that were killed."""
        self._file.unlink()
        for left in Path("/dev/shm").glob("*faketime_s*_*"):
            if not Path("/proc", left.name.rpartition("_")[2]).exists():
                left.unlink(missing_ok=True)
