"""The cheapest hashers and pools, on slots of a test's own."""

from pathlib import Path
from typing import Any

from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.pool import HashingPool


def a_hasher(slots: Path, **changes: Any) -> PasswordHasher:
    cheap = {"memory_kib": 64, "time_cost": 1, "parallelism": 1, "concurrency": 1, "queue": 8, "patience": 60.0}
    return PasswordHasher(slots, **{**cheap, **changes})


def a_pool(slots: Path, **changes: Any) -> HashingPool:
    return HashingPool(slots, **{"capacity": 1, "queue": 8, "patience": 60.0, **changes})
