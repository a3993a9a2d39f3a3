"""What a row keeps of an imported hash: enough to let its user sign in, and nothing that a copy gives away."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from authserver.passwords import imported
from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.imported import UnusableHash
from tests.support.foreign_hashes import HASHES, PASSWORD, PUBLISHED


@pytest.fixture
def hasher(tmp_path: Path) -> PasswordHasher:
    return PasswordHasher(tmp_path, memory_kib=8, time_cost=1, parallelism=1, concurrency=1, queue=4)


#: Made by one digest, or by so few rounds that a graphics card tries millions of passwords a second.
FAST = ("phpass", "LDAP", "pbkdf2", "SHA-256-crypt", "SHA-512-crypt, ")


@pytest.mark.parametrize("made", HASHES)
def test_a_row_keeps_no_digest_that_is_fast_to_guess_and_the_old_password_matches_it(hasher: PasswordHasher, made: str):
    """A copy of the database must not give passwords away (promise 3)."""
    stored = imported.to_store(HASHES[made], hasher.hash)
    fast = made.startswith(FAST)
    assert stored.startswith("$wrapped$l=") is fast, stored
    result = imported.read(HASHES[made]).result
    if fast:
        assert base64.b64encode(result).decode().rstrip("=") not in stored
        assert result.hex() not in stored
    verified = hasher.verify(PASSWORD, stored)
    assert verified.matches
    assert verified.rehashed is not None
    assert verified.rehashed.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert not hasher.verify(PASSWORD + "x", stored).matches
    again = imported.to_store(stored, hasher.hash)
    assert again == stored, "what one server exports, another imports"


@pytest.mark.parametrize("where", PUBLISHED)
def test_the_published_hashes_of_other_systems_match_their_passwords(hasher: PasswordHasher, where: str):
    password, encoded = PUBLISHED[where]
    stored = imported.to_store(encoded, hasher.hash)
    assert hasher.verify(password, stored).matches
    assert not hasher.verify(password + "x", stored).matches


def test_the_signer_key_of_a_firebase_project_is_not_stored(hasher: PasswordHasher):
    for password, encoded in (PUBLISHED[where] for where in PUBLISHED if where.startswith("Firebase")):
        signer = encoded.partition("sk=")[2].partition("$")[0].rstrip("=")
        stored = imported.to_store(encoded, hasher.hash)
        assert hasher.verify(password, stored).matches
        assert imported.to_store(encoded.replace("+", "-").replace("/", "_"), hasher.hash) == stored
        assert signer in encoded
        assert signer not in stored


def test_an_argon2_hash_in_a_row_with_another_order_of_parameters_signs_in_and_is_replaced(hasher: PasswordHasher):
    """Earlier versions imported such hashes unchanged."""
    stored = hasher.hash(PASSWORD)
    for costs in ("t=1,m=8,p=1", "m=8,p=1,t=1", "p=1,t=1,m=8"):
        verified = hasher.verify(PASSWORD, stored.replace("m=8,t=1,p=1", costs))
        assert (verified.matches, verified.unreadable) == (True, False)
        assert verified.rehashed is not None
        wrong = hasher.verify("wrong", stored.replace("m=8,t=1,p=1", costs))
        assert (wrong.matches, wrong.unreadable) == (False, False)


def test_a_hash_that_earlier_versions_imported_is_verified_beyond_the_bounds_of_an_import(hasher: PasswordHasher):
    dear = (
        "$scrypt$ln=18,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
        + base64.b64encode(
            hashlib.scrypt(b"secret", salt=b"saltsaltsaltsalt", n=2**18, r=8, p=1, maxmem=2**29, dklen=32)
        ).decode()
    )
    with pytest.raises(UnusableHash, match="the memory"):
        imported.to_store(dear, hasher.hash)
    assert hasher.verify("secret", dear).matches


@pytest.mark.parametrize("mark", ["!", "!!", "*", "!*", "*LK*", "!" + "aB3" * 13 + "x"])
def test_a_mark_of_django_or_of_shadow_is_no_hash(mark: str):
    assert imported.is_no_password(mark)
    assert not imported.is_no_password(mark + HASHES["argon2id, argon2-cffi 25.1"])


@pytest.mark.parametrize("made", [made for made in HASHES if "bcrypt" in made])
def test_a_password_with_a_zero_byte_matches_no_bcrypt_hash_and_breaks_nothing(made: str):
    form = imported.read(HASHES[made])
    assert form.matches(PASSWORD.encode())
    assert not form.matches(PASSWORD.encode() + b"\0")
    assert not form.matches(b"\0" + PASSWORD.encode())
