"""What a worker does every few seconds on a thread of its own, because it may not wait for the batches of housekeeping."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from authserver.database.failures import Unavailable

_log = structlog.get_logger("authserver.housekeeping")


class Regularly:
    """Does something every so many seconds until it is stopped. What fails is tried again in the next turn."""

    def __init__(self, name: str, every: float, act: Callable[[], object]) -> None:
        self._name = name
        self._every = every
        self._act = act
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Do it once, and begin."""
        self._do()
        self._thread.start()

    def stop(self) -> None:
        """Begin no further turn."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._do()

    def _do(self) -> None:
        try:
            self._act()
        except Unavailable:  # the database has noted it
            pass
        except Exception:  # noqa: BLE001 - one turn that fails must not end the others
            _log.exception("housekeeping_failed", task=self._name)
