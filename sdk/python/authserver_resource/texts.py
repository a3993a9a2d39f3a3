"""Parameters of several texts. In Python a text is a collection of letters, so `public="/health"` would hold "/"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

NO_SCOPES: Final[frozenset[str]] = frozenset()


def texts(name: str, value: object, example: str) -> tuple[str, ...]:
    """Return the texts of a collection. Raises TypeError for a single text, a mapping, and members of other types.

    A mapping such as `{"/health": False}` does not mean its names alone.
    """
    members = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else (None,)
    if not all(isinstance(member, str) for member in members):
        # The message leaves the value out: `introspection` holds a secret.
        raise TypeError(f"{name}: a collection of texts, as in {example}")
    return members


def scope_names(value: object) -> frozenset[str]:
    """Return the scopes of a text with spaces, as OAuth writes it ("read write"), or of a collection."""
    if isinstance(value, frozenset):
        return value  # an adapter reads its scopes once: to do so for each request would take microseconds
    return frozenset(value.split() if isinstance(value, str) else texts("scopes", value, '["read", "write"]'))
