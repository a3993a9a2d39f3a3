"""The rules for every new password: the operator's lengths, and text that can be stored."""

from __future__ import annotations

import unicodedata

#: The shortest and the longest password that the settings can allow, in characters.
PASSWORD_LENGTHS = (8, 256)


def check_new_password(text: str, *, shortest: int, longest: int) -> None:
    """Check what a user or administrator would set as a password.

    Passwords are compared exactly as sent, code point by code point. RFC 8265 section 4.2 (OpaqueString) would apply
    NFC and turn all spaces into plain ones. Then every imported hash and every other check of the same password would
    have to do so too, in the same version of Unicode, and a difference would lock users out without a visible reason.

    Raises:
        ValueError: with a text that never contains the password.
    """
    if not shortest <= len(text) <= longest:
        raise ValueError(f"a password has {shortest} to {longest} characters, not {len(text)}")
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in text):
        raise ValueError("a password has neither NUL nor surrogate characters: it has to be text in UTF-8")
