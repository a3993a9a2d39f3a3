"""The rules for a password that is being set, wherever: the operator's lengths, and text that can be stored."""

from __future__ import annotations

from authserver.users.names import check_password


def check_new_password(text: str, *, shortest: int, longest: int) -> None:
    """Raises `ValueError` with a text that never contains the password."""
    if not shortest <= len(text) <= longest:
        raise ValueError(f"a password has {shortest} to {longest} characters, not {len(text)}")
    check_password(text)
