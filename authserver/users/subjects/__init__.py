"""Subjects: the claim `sub` of a user. A user may bring one along, so that APIs find the rows that they have already.

No code decides by a subject who somebody is: the server finds a user by the id, and a session's user by its row. APIs do
decide by it, so it belongs to one user, and to no client: a client's own token has the client_id as `sub`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from uuid import UUID

LENGTH = 255  # OpenID Connect Core section 2
_VISIBLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Holder(StrEnum):
    """Who has a subject already; the value says it in words."""

    USER = "is the subject of another user"
    REMOVED_USER = (
        "is the subject of a removed user whose ended sessions are kept for a while (retention.ended_sessions)"
    )
    USER_ID = "is the id of another user"
    CLIENT = "is the client_id of a client"


def subject_of(subject: str | None, user_id: UUID) -> str:
    """The claim `sub` of a user: the subject that the user was added with, else the id."""
    return str(user_id) if subject is None else subject


def check_subject(text: str) -> str:
    """Return the text if it can be a subject. Subjects are compared exactly, with their case."""
    if len(text) > LENGTH or not _VISIBLE.fullmatch(text):
        raise ValueError(f"a subject has 1 to {LENGTH} characters of ASCII, none of control, and no blank at its ends")
    return text


def as_id(text: str) -> UUID | None:
    """The id that a subject could be taken for, in any spelling that UUID columns accept; None for other texts."""
    try:
        return UUID(text)
    except ValueError:
        return None
