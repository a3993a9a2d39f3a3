"""Password hashes that other systems made: read, bounded, and compared with a password. One file a family.

They stay in the row as they came until their user signs in; then the password is hashed anew, as if it were our own
hash with old parameters. The forms are those of the PHC strings (passlib, libargon2, crypt), of Django and of Werkzeug.
"""

from __future__ import annotations

from authserver.passwords.imported import argon2, bcrypt, pbkdf2, scrypt
from authserver.passwords.imported.form import Form, UnusableHash

__all__ = ["FORMS", "Form", "UnusableHash", "read"]

#: Every family. `read` of each returns None for what is not of its own.
FORMS = (argon2.read, bcrypt.read, scrypt.read, pbkdf2.read)

#: The longest that any of them writes has about 300 characters.
_LONGEST = 1024


def read(encoded: str) -> Form:
    """The hash, ready to be compared. Computes nothing yet, so this is also the check at import.

    Raises:
        UnusableHash: of no form that is known, malformed, or dearer than a sign-in may be; the text says which.
    """
    if len(encoded) > _LONGEST or not encoded.isascii() or not encoded.isprintable():
        raise UnusableHash(f"a password hash has at most {_LONGEST} characters, all of them printable ASCII")
    for read_form in FORMS:
        if (form := read_form(encoded)) is not None:
            return form
    raise UnusableHash(
        "this form of hash is not known here; known are Argon2, bcrypt, scrypt and PBKDF2 as PHC strings, "
        "and as Django and Werkzeug write them"
    )
