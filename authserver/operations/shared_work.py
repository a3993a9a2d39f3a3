"""Long work that one worker of all nodes does, a batch at a time, so that its other tasks run in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from authserver.database.leases import Lease

#: Seconds until another worker takes over from one that died. A batch takes much less.
LEASE_SECONDS = 30.0


class SharedWork:
    """One worker's side of such work. `batches` begins it; after its last batch all workers pause so many seconds."""

    def __init__(self, lease: Lease, batches: Callable[[], Iterator[object]], *, pause: float) -> None:
        self._lease = lease
        self._batches = batches
        self._pause = pause
        self._under_way: Iterator[object] | None = None

    def step(self) -> bool:
        """Do one batch, if this worker has the lease. Returns whether there is more to do."""
        batches, self._under_way = self._under_way, None
        if batches is None:
            if not self._lease.claim(LEASE_SECONDS):
                return False
            batches = self._batches()
        if next(batches, None) is None:
            self._lease.finish(self._pause)
            return False
        if self._lease.extend(LEASE_SECONDS):
            self._under_way = batches
        return self._under_way is not None

    def stop(self) -> None:
        """Give the work to another worker."""
        self._lease.finish()
