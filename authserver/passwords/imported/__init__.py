"""Reads and bounds password hashes of other systems, and compares passwords with them. One file for each family.

A hash stays in its row until its user signs in. Then the password is hashed anew, as with an own hash of old
parameters. The texts are PHC strings (passlib, libargon2, crypt) and what Django, Werkzeug and others write (`foreign`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from authserver.passwords.imported import argon2, bcrypt, digests, foreign, pbkdf2, refused, scrypt
from authserver.passwords.imported.form import AT_IMPORT, IN_A_ROW, OWN, Form, Limits, UnusableHash, to_base64
from authserver.passwords.imported.refused import is_no_password

__all__ = ["AT_IMPORT", "OWN_BEGINNING", "Form", "UnusableHash", "is_no_password", "read", "to_store"]

#: The server's own hashes begin so; their parameters change with the settings. Some imported hashes begin so too.
OWN_BEGINNING = "$argon2id$v=19$"

#: One for each family. It returns None for a hash of another family.
_READERS = (argon2.read, bcrypt.read, scrypt.read, pbkdf2.read, digests.read)

#: The longest text is a credential of Keycloak, with about 600 characters.
_LONGEST = 1024

#: Argon2id over the result of a fast hash: how long the result is, the hash without it, and Argon2id.
_WRAPPED = re.compile(r"\$wrapped\$l=(?P<length>[0-9]{2,3})(?P<outline>\$.+)(?P<argon2>\$argon2id\$v=19\$.+)")


def read(encoded: str, limits: Limits | None = None) -> Form:
    """The hash, ready to be compared. Computes nothing yet, so this is also the check at import.

    Without `limits` it is a hash that a row has. The server's own may cost what the settings can ask for.

    Raises:
        UnusableHash: unknown form, malformed, or too expensive for a sign-in; the text says which.
    """
    return _read(_text(encoded), limits or (OWN if encoded.startswith(OWN_BEGINNING) else IN_A_ROW))


def to_store(encoded: str, hash_text: Callable[[str], str]) -> str:
    """What a row keeps of a hash that comes: the hash itself, or Argon2id over it if it is fast.

    `hash_text` hashes a text as passwords are hashed.

    Raises:
        UnusableHash: as `read`.
    """
    text = _text(encoded)
    form = _read(text, AT_IMPORT)
    if form.outline is None:
        return text
    return f"$wrapped$l={len(form.result)}{form.outline}{hash_text(to_base64(form.result))}"


def _text(encoded: str) -> str:
    if len(encoded) > _LONGEST:
        raise UnusableHash(f"a password hash has at most {_LONGEST} characters")
    text = foreign.translate(encoded)
    if not text.isascii() or not text.isprintable():
        raise UnusableHash(refused.reason(text) or "the characters of a password hash are all printable ASCII")
    return text


def _read(text: str, limits: Limits) -> Form:
    if (match := _WRAPPED.fullmatch(text)) is not None:
        inner = _read_family(f"{match['outline']}${to_base64(bytes(int(match['length'])))}", limits)
        outer = _read_family(match["argon2"], OWN if limits is IN_A_ROW else limits)
        return Form(lambda secret: outer.compute(to_base64(inner.compute(secret)).encode()), outer.result)
    return _read_family(text, limits)


def _read_family(text: str, limits: Limits) -> Form:
    for read_form in _READERS:
        if (form := read_form(text, limits)) is not None:
            return form
    raise UnusableHash(
        refused.reason(text)
        or "this form of hash is not known here; docs/users-import.md lists those that are, such as Argon2, bcrypt, "
        "scrypt and PBKDF2 as PHC strings"
    )
