"""The API behind /sessions, where users see and end their own sessions from within an app.

An app can combine its scope with another API's: it asks for `read sessions` and gets one token for both, without naming
a `resource`.
"""

from __future__ import annotations

from typing import Final

AUDIENCE: Final = "urn:authserver:own-sessions"
SCOPE: Final = "sessions"
