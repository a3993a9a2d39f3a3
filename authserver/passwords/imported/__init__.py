"""Reads and bounds password hashes of other systems, and compares passwords with them. One file for each family.

A hash stays in its row unchanged until its user signs in. Then the password is hashed anew, as with an own hash of old
parameters. The forms are PHC strings (passlib, libargon2, crypt) and what Django and Werkzeug write.
"""

from __future__ import annotations

from authserver.passwords.imported import argon2, bcrypt, pbkdf2, scrypt
from authserver.passwords.imported.form import Form, UnusableHash

__all__ = ["Form", "UnusableHash", "read"]

#: One for each family. It returns None for a hash of another family.
_READERS = (argon2.read, bcrypt.read, scrypt.read, pbkdf2.read)

#: The longest hash of these families has about 300 characters.
_LONGEST = 1024


def read(encoded: str) -> Form:
    """The hash, ready to be compared. Computes nothing yet, so this is also the check at import.

    Raises:
        UnusableHash: unknown form, malformed, or too expensive for a sign-in; the text says which.
    """
    if len(encoded) > _LONGEST or not encoded.isascii() or not encoded.isprintable():
        raise UnusableHash(f"a password hash has at most {_LONGEST} characters, all of them printable ASCII")
    for read_form in _READERS:
        if (form := read_form(encoded)) is not None:
            return form
    raise UnusableHash(
        "this form of hash is not known here; known are Argon2, bcrypt, scrypt and PBKDF2 as PHC strings, "
        "and as Django and Werkzeug write them"
    )
