"""Stored values in words, for pages and commands. Every event, end and key state has a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authserver.keys.model import Kind, State
from authserver.records.audit import Event
from authserver.sessions.model import End, SessionRecord

#: Why a session was ended.
ENDS: Final[Mapping[End, str]] = {
    End.SIGNED_OUT: "the user signed out",
    End.ENDED_BY_ADMINISTRATOR: "an administrator ended it",
    End.ENDED_BY_USER: "the user ended it from another device",
    End.PASSWORD_CHANGED: "the user changed the password",
    End.PASSWORD_RESET: "the user's password was set anew",
    End.USER_DISABLED: "the user was disabled",
    End.USER_REMOVED: "the user was removed",
    End.CLIENT_ENDED: "everything that its client held was ended",
    End.REUSE: "a refresh token came back that had been used before: two parties held the session's tokens",
    End.UNSEEN: "no refresh was seen since a recovery began: it may have been ended before, in rows that were lost",
    End.CAP: "the user opened more sessions than the client may have, and this was the oldest",
}

KEY_KINDS: Final[Mapping[Kind, str]] = {
    Kind.SIGNING: "Signs access tokens. Its public half stands in the key set that APIs fetch.",
    Kind.TOKEN: "Stands behind refresh tokens: proves that this server made them, and makes the next from the last.",
    Kind.OPAQUE: "Seals opaque access tokens, which only introspection can read.",
}

KEY_STATES: Final[Mapping[State, str]] = {
    State.NEXT: "Published so that every node and API knows it; not used yet.",
    State.ACTIVE: "In use for new tokens.",
    State.RETIRED: "Not used for new tokens; what was made with it is still good.",
    State.GONE: "Nothing made with it counts any more, and its secret is erased.",
}

#: A sentence for each event. An event that is missing here is shown by its name: a newer node may have written it.
EVENTS: Final[Mapping[str, str]] = {
    "session.opened": "A user signed in",
    "session.revoked": "A session was ended",
    "session.kept": "The current refresh token came from another place within the retry window",
    "session.retry": "A refresh was repeated from another place within the retry window",
    "session.late_retry": "A refresh was repeated after the retry window",
    "session.reuse": "A refresh token came back that had been used before: its session was ended",
    "session.from_the_future": "A refresh token was newer than its session: the database went back in time",
    "session.adopted": "A recovery took a refresh token that was newer than its session for the current one",
    "sessions.swept": "Sessions were ended or narrowed after a change",
    "recovery.started": "A recovery was declared: the database went back in time",
    "recovery.ended": "A recovery was ended",
    "sign_in.refused": "A sign-in was refused",
    "client.refused": "A client was refused",
    "client.added": "A client was registered",
    "client.changed": "A client was changed",
    "client.disabled": "A client was disabled",
    "client.enabled": "A client was enabled",
    "client.secret_rotated": "A client got a new secret",
    "client.removed": "A client was removed",
    "client.tokens_ended": "A client's own tokens were ended",
    "user.added": "A user was added",
    "user.changed": "A user was changed",
    "user.password_set": "A password was set",
    "user.password_changed": "A user changed the password",
    "user.password_link_issued": "A link to set a password was made",
    "user.password_link_used": "A password was set with a link",
    "user.data_downloaded": "A user downloaded the data kept about them",
    "user.sign_in_code_made": "A user made a sign-in code",
    "user.disabled": "A user was disabled",
    "user.enabled": "A user was enabled",
    "user.removed": "A user was removed",
    "user.imported": "A user was imported",
    "users.imported": "Users were imported",
    "users.exported": "Users were exported",
    "visit.opened": "A browser signed in to these pages",
    "visit.ended": "A browser was signed out of these pages",
    "api.added": "An API was registered",
    "api.changed": "An API was changed",
    "api.removed": "An API was removed",
    "key.created": "A key was made",
    "key.promoted": "A key was put into use",
    "key.leaked": "A key was marked as leaked",
    "keys.rewrapped": "Keys were sealed under another master key",
    "throttle.lifted": "Counts of failed attempts were emptied",
}

#: What each kind of throttling counts.
COUNTS: Final[Mapping[str, str]] = {
    "address": "Wrong passwords, secrets and links from an address (IPv4 /24, IPv6 /64)",
    "network": "The same from an IPv6 /48",
    "place": "Wrong passwords of a name from one place",
    "device": "Wrong passwords of a user on one known device",
    "backend": "Wrong passwords of a name through a client that hides its users' addresses",
    "strangers": "Wrong passwords of a name from all places that its user does not use",
    "confirmation": "Wrong passwords that signed-in users typed to confirm an act",
    "link": "Password links that do not work, from one place",
    "client": "Wrong secrets of a client from one place",
}


@dataclass(frozen=True, slots=True)
class SessionState:
    """Whether a session is live, expired or ended. `why` ends a sentence; it is empty for a live session."""

    name: str
    since: int | None = None
    why: str = ""

    @property
    def is_live(self) -> bool:
        return self.name == "live"


def session_state(row: SessionRecord) -> SessionState:
    """The state of a session, from a row that has the database's time as `now`."""
    if row.revoked_at is not None:
        return SessionState("ended", row.revoked_at, end_in_words(row.revoked_because or ""))
    if row.absolute_expires_at <= row.now:
        return SessionState("expired", row.absolute_expires_at, "it reached its greatest age")
    if row.idle_expires_at <= row.now:
        return SessionState("expired", row.idle_expires_at, "it was not used for too long")
    return SessionState("live")


def end_in_words(end: str) -> str:
    """Why a session was ended. An end that only newer nodes know is shown by its name."""
    return ENDS[End(end)] if end in set(End) else end


def event_in_words(event: str) -> str:
    """What happened, or the event's name if there are no words for it."""
    return EVENTS.get(event, event)


def count_in_words(kind: str) -> str:
    """What a kind of throttling counts, or its name if there are no words for it."""
    return COUNTS.get(kind, kind)


def nouns() -> list[str]:
    """The nouns that events begin with, for filters."""
    return sorted({event.value.partition(".")[0] for event in Event})
