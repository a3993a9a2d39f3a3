"""Audit events of a user, in plain words. The actor of an event decides how much of it the user sees.

The address and browser of an administrator are neither shown nor put into the download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authserver.database.times import iso
from authserver.records.audit import AuditRecord, Event
from authserver.sessions.model import End

_ENDED = {
    End.SIGNED_OUT: "You signed out of an app.",
    End.ENDED_BY_USER: "You ended a session.",
    End.ENDED_BY_ADMINISTRATOR: "An administrator ended a session of yours.",
    End.PASSWORD_RESET: "Your sessions ended because your password was set anew.",
    End.PASSWORD_CHANGED: "Your sessions ended because you changed your password.",
    End.USER_DISABLED: "Your sessions ended because your user was disabled.",
    End.CLIENT_ENDED: "Your sessions with an app ended because the app was stopped.",
    End.REUSE: "A session was ended: its token was used twice, as if it had been stolen.",
    End.UNSEEN: "A session of yours ended: it was not used while the server recovered from a loss of data.",
    End.CAP: "Your oldest session with an app ended because you signed in once more.",
}

_VISITS_ENDED = {
    End.ENDED_BY_ADMINISTRATOR: "An administrator signed you out of these pages.",
    End.PASSWORD_RESET: "You were signed out of these pages because your password was set anew.",
    End.USER_DISABLED: "You were signed out of these pages because your user was disabled.",
}

_WORDS: Mapping[str, str] = {
    Event.SESSION_OPENED: "You signed in to an app.",
    Event.SESSION_KEPT: "An app's token was used from another place than before.",
    Event.SESSION_RETRY: "An app repeated a request from another place.",
    Event.SESSION_LATE_RETRY: "An app repeated a request because the answer was lost.",
    Event.SESSION_REUSE: "A token of yours was used twice, as if it had been stolen. Its session was ended.",
    Event.SIGN_IN_REFUSED: "Somebody tried to sign in as you and was refused.",
    Event.VISIT_OPENED: "You signed in to these pages.",
    Event.VISIT_ENDED: "You signed out of these pages.",
    Event.USER_ADDED: "Your user was added.",
    Event.USER_CHANGED: "Your user name, e-mail address or roles were changed.",
    Event.USER_PASSWORD_SET: "An administrator set your password.",
    Event.USER_PASSWORD_CHANGED: "You changed your password.",
    Event.USER_PASSWORD_LINK_ISSUED: "An administrator made a link for you to set your password.",
    Event.USER_PASSWORD_LINK_USED: "Your password was set with a link.",
    Event.USER_DISABLED: "Your user was disabled.",
    Event.USER_ENABLED: "Your user was enabled again.",
    Event.THROTTLE_LIFTED: "An administrator ended the delay after wrong passwords for your name.",
    Event.USER_DATA_DOWNLOADED: "You downloaded your data.",
    Event.USER_SIGN_IN_CODE_MADE: "You made a code to sign in on a new device.",
}

_ALARMING = frozenset({Event.SESSION_REUSE, Event.SIGN_IN_REFUSED, Event.SESSION_KEPT, Event.SESSION_RETRY})


@dataclass(frozen=True, slots=True)
class Told:
    """One event for its user. Address and user agent are None if the user may not see them."""

    at: int
    text: str
    alarming: bool
    address: str | None
    user_agent: str | None


def tell(row: AuditRecord) -> Told:
    """Put an event into words."""
    own = may_see_origin(row)
    return Told(
        row.at,
        _text(row),
        row.event in _ALARMING,
        row.address if own else None,
        row.user_agent if own else None,
    )


def may_see_origin(row: AuditRecord) -> bool:
    """Whether the address belongs to the user, or to a stranger who acted as the user.

    A client acts for the user with the user's token. An administrator acts as another user, on the command line, or as
    a client of the admin API; the user must not see their address. So a client's address is shown only for events that
    the admin API cannot cause.
    """
    if row.actor == f"user:{row.user_id}" or row.event == Event.SIGN_IN_REFUSED:
        return True
    return row.actor.startswith("client:") and row.event.startswith("session.") and not _by_administrator(row)


def _by_administrator(row: AuditRecord) -> bool:
    return row.event == Event.SESSION_REVOKED and _detail(row).get("because") == End.ENDED_BY_ADMINISTRATOR


def _text(row: AuditRecord) -> str:
    detail = _detail(row)
    if row.event == Event.SESSION_REVOKED:
        return _ENDED.get(detail.get("because", ""), "A session of yours ended.")
    if row.event == Event.VISIT_ENDED and "because" in detail:
        return _VISITS_ENDED.get(detail["because"], "Other browsers were signed out of these pages.")
    return _WORDS.get(row.event, "Something was changed about your user.")


def _detail(row: AuditRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.detail)
    return found


def as_document(row: AuditRecord) -> dict[str, Any]:
    """Make an event of the file that a user downloads."""
    told = tell(row)
    return {
        "at": iso(row.at),
        "event": row.event,
        "text": told.text,
        "client_id": row.client_id,
        "session_id": None if row.session_id is None else str(row.session_id),
        "address": told.address,
        "user_agent": told.user_agent,
    }
