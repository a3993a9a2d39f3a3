"""Carries marks into sessions at once, for commands whose user waits. Otherwise the server's next clean-up does it."""

from __future__ import annotations

import time
from collections.abc import Callable

from authserver.administration.context import Administration
from authserver.apis import store as apis
from authserver.sessions.sweep import sweep

Progress = Callable[[int], None]


def sweep_now(admin: Administration, on_progress: Progress | None = None) -> int:
    """Sweep what can be swept at once, if the actor waits. Returns how many sessions were changed.

    The server's own sweep does the rest: marks that caches have yet to notice, and all marks if this process stops.
    """
    return _sweep(admin, on_progress) if admin.waits else 0


def _sweep(admin: Administration, on_progress: Progress | None) -> int:
    batch = admin.settings.retention.prune_batch
    return sweep(admin.database, batch=batch, settle=settle_seconds(admin), on_progress=on_progress)


def sweep_to_the_end(admin: Administration, on_progress: Progress | None = None) -> int:
    """Sweep until no API's narrowing is left, which takes as long as caches take to notice one: at most 6 s."""
    changed = 0
    while True:
        changed += _sweep(admin, on_progress)
        with admin.database.autocommit() as connection:
            marks = [mark for _, mark in apis.unswept(connection)]
        if not marks:
            return changed
        settled_at = min(marks) + settle_seconds(admin) * 1000
        time.sleep(max(0.05, (settled_at - admin.database.now()) / 1000))


def settle_seconds(admin: Administration) -> float:
    """The time after which no node uses what it cached before a change, and a second for sign-ins under way."""
    return admin.settings.caches.max_age + 1
