"""What an API may be registered as: an audience URI (RFC 8707 section 2) and the scopes that it owns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from authserver.apis import administration, own_sessions
from authserver.apis.model import Scope
from authserver.refusals.problems import Problem

#: The server's own APIs exist from the first start. Their roles can be changed, but they cannot be removed.
BUILT_IN: Final = frozenset({administration.AUDIENCE, own_sessions.AUDIENCE})
AUDIENCE_LENGTH: Final = 255
SCOPE_LENGTH: Final = 100
NAME_LENGTH: Final = 100
# RFC 3986 appendix A: what a URI may consist of; the fragment's "#" is left out.
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})+")
# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# The same rule as in users/names: a scope must not need a role that no user can have.
_ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def problems(audience: str, name: str, scopes: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Every rule that an API and its scopes break; each scope comes with the roles that it is bound to."""
    if (text := audience_problem(audience)) is not None:
        yield Problem(text, "audience")
    yield from (Problem(text, "scopes") for text in map(scope_problem, sorted(scopes)) if text is not None)
    if not 1 <= len(name.strip()) <= NAME_LENGTH or not name.isprintable():
        yield Problem(f"must be 1 to {NAME_LENGTH} printable characters", "name")
    for role in sorted(frozenset[str]().union(*scopes.values())):
        if not _ROLE.fullmatch(role):
            yield Problem(
                f"role {role!r}: must be 1 to 64 letters, digits or . _ : - and start with a letter or digit", "scopes"
            )
    yield from (Problem(text, "scopes") for text in _reserved_problems(audience, scopes))


def _reserved_problems(audience: str, scopes: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The server's own APIs keep their scopes. Scopes of administration need roles; no other may look like one."""
    if audience == own_sessions.AUDIENCE and scopes.keys() != {own_sessions.SCOPE}:
        yield (
            f"the scope {own_sessions.SCOPE} of this API is the server's own: only the roles that open it can be changed"
        )
    if audience != administration.AUDIENCE:
        for scope in sorted(scopes):
            if scope.startswith(administration.PREFIX):
                yield f"scope {scope!r}: {administration.PREFIX} is reserved for administration"
    elif scopes.keys() != administration.SCOPES.keys():
        yield "the scopes of administration are the server's own: only the roles that open them can be changed"
    else:
        for scope in sorted(scopes):
            if not scopes[scope]:
                yield f"scope {scope!r}: must be bound to a role, or every user could administer"


def audience_problem(audience: str) -> str | None:
    """Why this text cannot be an audience, or None if it can."""
    try:
        parts = urlsplit(audience)
        hierarchical = parts.scheme in ("http", "https")
        usable = bool(_URI.fullmatch(audience)) and (bool(parts.hostname) or not hierarchical) and parts.port != 0
    except ValueError:
        usable = False
    if usable and len(audience) <= AUDIENCE_LENGTH:
        return None
    return (
        f"must be an absolute URI without fragment, such as https://api.example.com/orders, "
        f"of at most {AUDIENCE_LENGTH} characters"
    )


def scope_problem(scope: str) -> str | None:
    """Why this text cannot be a scope, or None if it can."""
    if len(scope) <= SCOPE_LENGTH and _SCOPE.fullmatch(scope):
        return None
    return (
        f"scope {scope!r}: must be 1 to {SCOPE_LENGTH} printable ASCII characters without space, quote and backslash "
        "(RFC 6749 section 3.3)"
    )


def narrows(before: Mapping[str, Scope], after: Mapping[str, Scope]) -> bool:
    """Whether some user who may have a scope now may not have it afterwards."""
    return any(name not in after or _is_narrower(after[name].roles, scope.roles) for name, scope in before.items())


def _is_narrower(new: frozenset[str], old: frozenset[str]) -> bool:
    # No roles means open to all, so a first role narrows the scope, and each further role widens it.
    return bool(new) and (not old or not old <= new)
