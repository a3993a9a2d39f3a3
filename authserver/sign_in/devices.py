"""Known devices: a browser with a device cookie, or an app that holds a refresh token. Strangers' failures never delay them."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from uuid import UUID

from authserver import base64url
from authserver.throttling.slots import Slots
from authserver.users.model import Candidate

#: Says under which name a user's device is counted. None if it is no device of this user, or there is no such user.
Device = Callable[[Candidate | None], str | None]

#: How long a browser keeps the cookie after a sign-in, in seconds.
COOKIE_LASTS = 365 * 86_400
_RANDOM_BYTES = 16
_FORM = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


def with_session(user_id: UUID, session_id: UUID) -> Device:
    """An app that has shown the refresh token of a session of this user."""
    return lambda user: f"session {session_id}" if user is not None and user.id == user_id else None


class DeviceCookies:
    """Makes and reads the values of device cookies: a random text, and its tag for one user and one password version.

    A value names no user. One of another user, or of an earlier password, is as good as none.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def device(self, value: str | None) -> Device | None:
        """The device of a browser that sends this value; None without a value of the right form."""
        match = _FORM.fullmatch(value or "")
        if match is None:
            return None
        random, tag = match.groups()

        def of(user: Candidate | None) -> str | None:
            # The tag is computed for an unknown user too: the clock must not tell.
            key = ("", 0) if user is None else (str(user.id), user.password_version)
            return (
                f"cookie {random}" if hmac.compare_digest(self._tag(random, *key), tag) and user is not None else None
            )

        return of

    def value(self, user_id: UUID, password_version: int, present: str | None) -> str:
        """The value for a user who has just signed in. The `present` one stays if it is good, and so does its count."""
        match = _FORM.fullmatch(present or "")
        random = secrets.token_urlsafe(_RANDOM_BYTES) if match is None else match[1]
        kept = f"{random}.{self._tag(random, str(user_id), password_version)}"
        if match is not None and not hmac.compare_digest(kept, match[0]):
            return self.value(user_id, password_version, None)
        return kept

    def _tag(self, random: str, user_id: str, password_version: int) -> str:
        return base64url.encode(self._slots.device_tag(random, user_id, password_version))
