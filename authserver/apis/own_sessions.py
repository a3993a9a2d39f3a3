"""The API behind /sessions, where users see and end their own sessions from within an app.

Its audience stands beside that of another API: an app asks for `read sessions` and gets one token for both, without
naming a `resource`.
"""

from __future__ import annotations

from typing import Final

AUDIENCE: Final = "urn:authserver:own-sessions"
SCOPE: Final = "sessions"
