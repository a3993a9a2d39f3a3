"""All grants, one line each, and what registration has to know of them.

A grant's `file` in `oauth/grants` serves it. Only the name of the file stands here, because this room may not import
that one. Metadata, registration and the three faces of administration use this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant: its name on the wire, its file in `oauth/grants`, and what it is for.

    `is_first` says whether it gives a client its first token. Other grants need a token that the client already has. A
    grant that `is_own` gives tokens of the client itself, so the client needs a secret.
    """

    name: str
    file: str
    about: str
    is_first: bool = True
    is_own: bool = False


_ALL: Final = (
    Grant("password", "password", "The app takes the user's name and password itself (RFC 9700 forbids it)."),
    Grant("refresh_token", "refresh_token", "Goes on with a session without asking for the password again.", False),
    Grant("client_credentials", "client_credentials", "Tokens for the client itself, with its secret.", is_own=True),
)

GRANTS: Final = {grant.name: grant for grant in _ALL}
OWN: Final = frozenset(grant.name for grant in _ALL if grant.is_own)


def gives_a_first_token(names: frozenset[str]) -> bool:
    """Whether a client with these grants can get a token at all."""
    return any(GRANTS[name].is_first for name in names & GRANTS.keys())
