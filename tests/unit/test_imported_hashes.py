"""Hashes of other systems are verified as those systems do, and no hash can cost more than a sign-in may."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple

import argon2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authserver.passwords import imported
from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.imported import UnusableHash
from tests.support.foreign_hashes import DEFAULT_HASHES, HASHES, LONG_HASHES, LONG_PASSWORD, PASSWORD


def own_hash(text: str) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(text)


@pytest.fixture
def hasher(tmp_path: Path) -> PasswordHasher:
    return PasswordHasher(tmp_path, memory_kib=8, time_cost=1, parallelism=1, concurrency=1, queue=4)


@pytest.mark.parametrize("made", HASHES)
def test_the_old_password_matches_and_no_other(made: str):
    form = imported.read(HASHES[made])
    assert form.matches(PASSWORD.encode())
    for wrong in (PASSWORD + "x", PASSWORD[:-1], PASSWORD.lower().upper(), "", "x" * 256):
        assert not form.matches(wrong.encode()), wrong


@pytest.mark.parametrize("made", HASHES)
def test_a_hash_is_replaced_by_our_own_at_its_first_success(hasher: PasswordHasher, made: str):
    verified = hasher.verify(PASSWORD, HASHES[made])
    assert verified.matches
    assert verified.rehashed is not None
    assert verified.rehashed.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    again = hasher.verify(PASSWORD, verified.rehashed)
    assert (again.matches, again.rehashed) == (True, None)
    wrong = hasher.verify("another password", HASHES[made])
    assert (wrong.matches, wrong.rehashed) == (False, None)


@pytest.mark.parametrize("made", DEFAULT_HASHES)
def test_hashes_of_the_cost_that_their_makers_have_by_default_are_within_the_bounds(made: str):
    assert imported.read(DEFAULT_HASHES[made]).matches(PASSWORD.encode())


@pytest.mark.parametrize("made", LONG_HASHES)
def test_a_long_password_is_cut_where_its_old_system_cut_it(made: str):
    form = imported.read(LONG_HASHES[made])
    assert form.matches(LONG_PASSWORD.encode())
    cut = not made.startswith("bcrypt_sha256")
    assert form.matches(LONG_PASSWORD[:72].encode()) is cut
    assert form.matches(LONG_PASSWORD.replace("never", "NEVER").encode()) is cut
    assert not form.matches(LONG_PASSWORD[:71].encode())


def test_the_phc_form_with_named_parameters_is_read_as_passlibs_bare_number():
    bare = HASHES["pbkdf2-sha256, passlib 1.7.4"]
    for costs in ("i=10", "i=10,l=32", "l=32,i=10"):
        assert imported.read(bare.replace("$10$", f"${costs}$")).matches(PASSWORD.encode())
    with pytest.raises(UnusableHash, match="the length l"):
        imported.read(bare.replace("$10$", "$i=10,l=64$"))


#: 16 bytes each, in base64 and in hexadecimal.
B64 = "c2FsdHNhbHRzYWx0c2FsdA"
HEX = "73616c7473616c7473616c7473616c74"


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (f"$argon2id$v=19$m=4194304,t=1,p=1${B64}${B64}", "the memory m in KiB is 4194304"),
        (f"$argon2i$v=19$m=8,t=2147483648,p=1${B64}${B64}", "m times t"),
        (f"$argon2d$v=19$m=99999999999,t=1,p=1${B64}${B64}", "m is no whole number, or too large"),
        (f"$argon2id$v=19$m=1024,t=1,p=1000${B64}${B64}", "the parallelism p"),
        (f"argon2$argon2id$v=19$m=4194304,t=1,p=1${B64}${B64}", "the memory m in KiB is 4194304"),
        ("$2b$31$GsqKQ1rs/2AnBYp6T6HDGe8IgkoPxCPp19KOI75Gk2m69WBmCO8YW", "the cost of bcrypt is 31"),
        ("bcrypt$$2b$99$GsqKQ1rs/2AnBYp6T6HDGe8IgkoPxCPp19KOI75Gk2m69WBmCO8YW", "the cost of bcrypt is 99"),
        (f"$scrypt$ln=30,r=8,p=1${B64}${B64}", "the memory 128·N·r in KiB is 1073741824"),
        (f"$scrypt$ln=4000000000,r=8,p=1${B64}${B64}", "the cost ln is 4000000000"),
        (f"scrypt$1073741824$salt$8$1${B64}", "the memory"),
        (f"scrypt:1048576:8:1$salt${HEX}", "the memory"),
        (f"scrypt:1024:8:1000000$salt${HEX}", "N times r times p"),
        (f"$pbkdf2-sha256$2147483648${B64}${B64}", "the iterations, times the blocks of the result, is 2147483648"),
        (f"pbkdf2_sha256$2147483648$salt${B64}", "the iterations"),
        (f"pbkdf2:sha256:2147483648$salt${HEX}", "the iterations"),
        (f"pbkdf2:sha1:9000000$salt${HEX * 4}", "the iterations"),
    ],
)
def test_a_hash_dearer_than_a_sign_in_may_be_is_refused_and_computes_nothing(
    hasher: PasswordHasher, encoded: str, reason: str
):
    with pytest.raises(UnusableHash, match=reason):
        imported.read(encoded, imported.AT_IMPORT)
    if not encoded.startswith("$argon2id$"):
        # Even if such a hash stands in a row, it is not computed: that would take days.
        assert hasher.verify(PASSWORD, encoded).matches is False


@pytest.mark.parametrize("parameters", ["m=8,t=2147483647,p=1", "m=4294967295,t=1,p=1"])
def test_not_even_a_hash_of_our_own_form_costs_more_than_the_settings_allow(hasher: PasswordHasher, parameters: str):
    assert hasher.verify(PASSWORD, f"$argon2id$v=19${parameters}${B64}${B64}").matches is False


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("", "not known here"),
        ("secret", "not known here"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "a digest without a salt .*authserver users password-link"),
        ("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "a digest without a salt"),
        ("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19", "a digest of MySQL"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "one fast digest of an old Django or Werkzeug"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "one fast digest, without a salt"),
        ("{MD5}X03MO1qnZdYdgyfeuILPmQ==", "one fast digest, without a salt"),
        ("{noop}Bätterie", "the password itself: write it into the column password"),
        ("$y$j9T$saltsalt$mGMylnZ/mx0tM/nHa4yNdyaf.SYNpZq5xSwbHIQqzy/", "yescrypt"),
        ("$1$saltsalt$wPs2KKIvOKsDHDWxXnE67/", "MD5-crypt"),
        ("{CRYPT}$1$saltsalt$wPs2KKIvOKsDHDWxXnE67/", "MD5-crypt"),
        ("{CRYPT}rEK1ecacw.7.c", "the DES form of crypt"),
        ("{SASL}anna@EXAMPLE.COM", "another system checks this password"),
        ("SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5", "a verifier of SCRAM"),
        ("$6$salt$hash", "the parts of a hash of SHA-crypt"),
        ("$P$BshortXX", "the parts of a hash of phpass"),
        ("$P$Z" + "x" * 30, "the cost of phpass is 37, and has to be from 7 to 16"),
        ("$6$rounds=999999999$salt$" + "x" * 86, "the rounds is 999999999"),
        ("$fbscrypt$v=1,n=14,r=8,p=1$c2FsdA==$aGFzaA==", "the parts of a hash of Firebase"),
        ("{SSHA}abcdef", "the length of hash and salt in bytes is 4"),
        ('{"type": "otp", "secretData": "{}"}', "a credential of Keycloak, but not of the type password"),
        ('{"algorithm": "bcrypt"}', "no credential as a realm export of Keycloak has it"),
        (
            '{"secretData": "{}", "credentialData": "{\\"algorithm\\": \\"bcrypt\\"}"}',
            "its algorithm of Keycloak is not known",
        ),
        ('{"secretData": "{}", "credentialData": "{\\"algorithm\\": \\"pbkdf2\\"}"}', "no whole number"),
        (
            "AQAAAAkAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
            "the number of the digest",
        ),
        ("!" + HASHES["argon2id, argon2-cffi 25.1"], "a mark before it locks it: take the mark away"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("p=1", "p=1,keyid=AAAA"), "made with a secret key"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("p=1", "p=1,data=AAAA"), "has associated data"),
        (
            HASHES["argon2id, argon2-cffi 25.1"].replace("p=1", "p=4"),
            "the memory m in KiB is 16, and has to be from 32",
        ),
        (" " + HASHES["argon2id, argon2-cffi 25.1"], "not known here"),
        (HASHES["argon2id, argon2-cffi 25.1"] + "\n", "printable ASCII"),
        (HASHES["scrypt, Django 5.2"].replace("scrypt$16$", "scrypt$16$ä"), "printable ASCII"),
        ("$argon2id$" + "x" * 2000, "at most 1024 characters"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("v=19", "v=20"), "version 16 or 19"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("m=16,", ""), "the parameters of Argon2 have to be m, t, p"),
        (HASHES["argon2id, argon2-cffi 25.1"][:-27], "the length of the hash"),
        (HASHES["argon2id, argon2-cffi 25.1"].rsplit("$", 1)[0], "the parameters of Argon2"),
        (HASHES["bcrypt, pyca bcrypt 4.0"][:-1], "no bcrypt hash"),
        (HASHES["bcrypt, pyca bcrypt 4.0"].replace("$2b$", "$2x$"), "PHP's old fault"),
        (HASHES["bcrypt, pyca bcrypt 4.0"].replace("$2b$", "$2$"), "a bcrypt hash of 1997"),
        ("$wp$2y$04$short", "no bcrypt hash"),
        (HASHES["bcrypt, pyca bcrypt 4.0"].replace("$04$", "$03$"), "the cost of bcrypt is 3"),
        (HASHES["bcrypt, pyca bcrypt 4.0"][:-1] + "*", "no bcrypt hash"),
        (f"$scrypt$ln=4,r=8${B64}${B64}", "the parameters of scrypt have to be ln, r, p"),
        (f"scrypt$17$salt$8$1${B64}", "a power of 2"),
        (f"scrypt:16:8$salt${HEX}", "scrypt takes N, r and p"),
        ("scrypt:16:8:1$salt$nothex", "not hexadecimal"),
        (f"scrypt:16:8:1$salt${HEX[:8]}", "the length of the hash in bytes is 4"),
        (f"scrypt:16:8:1$${HEX}", "the length of the salt in bytes is 0"),
        ("$scrypt$ln=4$x", "not have the parts of an scrypt hash"),
        (f"$pbkdf2-md5$10${B64}${B64}", "PBKDF2 is known here with sha1, sha224, sha256, sha384, sha512"),
        (f"$pbkdf2-sha256$-10${B64}${B64}", "no whole number"),
        (f"$pbkdf2-sha256$0${B64}${B64}", "no whole number"),
        ("$pbkdf2-sha256$10$*$*", "not base64"),
        ("pbkdf2:sha256$salt$00", "not have the parts of a PBKDF2 hash"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(hasher: PasswordHasher, encoded: str, reason: str):
    with pytest.raises(UnusableHash, match=reason):
        imported.read(encoded)
    if encoded:
        assert hasher.verify(PASSWORD, encoded).matches is False


BROKEN = st.sampled_from(sorted(HASHES.values())).flatmap(
    lambda whole: st.builds(
        lambda place, other: whole[:place] + other + whole[place + 1 :],
        st.integers(0, len(whole) - 1),
        st.text("$=,:.09azAZ*", max_size=3),
    )
)


@settings(deadline=None)
@given(st.text(max_size=200) | BROKEN)
def test_a_text_is_refused_or_can_be_computed(encoded: str):
    """An import that takes what a sign-in cannot use tells its user for ever that the password is wrong."""
    try:
        stored = imported.to_store(encoded, own_hash)
    except UnusableHash:
        return
    assert isinstance(imported.read(stored).matches(b"secret"), bool)


class Written(NamedTuple):
    """How a program writes an Argon2 hash of the password `secret`."""

    kind: argon2.Type
    version: str
    order: list[str]
    memory: int
    passes: int
    lanes: int
    salt: bytes
    length: int
    padding: str
    prefix: str


WRITTEN = st.builds(
    Written,
    kind=st.sampled_from(list(argon2.Type)),
    version=st.sampled_from(["", "v=16$", "v=19$"]),
    order=st.permutations(["m", "t", "p"]),
    memory=st.integers(8, 64),
    passes=st.integers(1, 2),
    lanes=st.integers(1, 3),
    salt=st.binary(max_size=40),
    length=st.integers(1, 140),
    padding=st.sampled_from(["", "="]),
    prefix=st.sampled_from(["", "argon2", "{ARGON2}"]),
)


@given(WRITTEN)
def test_every_argon2_hash_that_is_read_is_verified(written: Written):
    """Once an order of parameters other than libargon2's was imported, and its users were refused (node's argon2)."""
    w, numbers = written, {"m": written.memory, "t": written.passes, "p": written.lanes}
    costs = ",".join(f"{name}={numbers[name]}" for name in w.order)
    version = 19 if w.version == "v=19$" else 16
    try:
        made = argon2.low_level.hash_secret_raw(
            b"secret", w.salt, w.passes, w.memory, w.lanes, w.length, w.kind, version
        )
    except argon2.exceptions.HashingError:
        made = bytes(w.length)
    salt, result = (base64.b64encode(part).decode() for part in (w.salt, made))
    if not w.padding:
        salt, result = salt.rstrip("="), result.rstrip("=")
    encoded = f"{w.prefix}${_ARGON2[w.kind]}${w.version}{costs}${salt}${result}"
    if w.memory < 8 * w.lanes or len(w.salt) < 8 or not 16 <= w.length <= 128:
        with pytest.raises(UnusableHash):
            imported.read(encoded)
        return
    stored = imported.to_store(encoded, own_hash)
    assert imported.read(stored).matches(b"secret")
    assert not imported.read(stored).matches(b"Secret")


_ARGON2 = {argon2.Type.I: "argon2i", argon2.Type.D: "argon2d", argon2.Type.ID: "argon2id"}
