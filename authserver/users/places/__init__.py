"""Known places: from where a user has signed in. Failures of strangers do not delay sign-ins from there."""

from __future__ import annotations

#: How long a place stays known after the last sign-in from it, and how often its row is written, in milliseconds.
LASTS_MS = 90 * 86_400_000
WRITTEN_EVERY_MS = 86_400_000
#: Places of one user. The one that was used longest ago makes room.
MOST = 20
