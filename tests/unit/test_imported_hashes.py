"""Hashes of other systems are verified as those systems do, and no hash can cost more than a sign-in may."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.passwords import imported
from authserver.passwords.hasher import PasswordHasher
from authserver.passwords.imported import UnusableHash
from tests.support.foreign_hashes import DEFAULT_HASHES, HASHES, LONG_HASHES, LONG_PASSWORD, PASSWORD


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
        imported.read(encoded)
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
        ("5f4dcc3b5aa765d61d8327deb882cf99", "not known here"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "not known here"),
        ("$6$salt$hash", "not known here"),
        ("{SSHA}abcdef", "not known here"),
        ("!" + HASHES["argon2id, argon2-cffi 25.1"], "not known here"),
        (" " + HASHES["argon2id, argon2-cffi 25.1"], "not known here"),
        (HASHES["argon2id, argon2-cffi 25.1"] + "\n", "printable ASCII"),
        (HASHES["scrypt, Django 5.2"].replace("scrypt$16$", "scrypt$16$ä"), "printable ASCII"),
        ("$argon2id$" + "x" * 2000, "at most 1024 characters"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("v=19", "v=20"), "version 16 or 19"),
        (HASHES["argon2id, argon2-cffi 25.1"].replace("m=16,", ""), "the parameters of Argon2 have to be m, t, p"),
        (HASHES["argon2id, argon2-cffi 25.1"][:-27], "the length of the hash"),
        (HASHES["argon2id, argon2-cffi 25.1"].rsplit("$", 1)[0], "the parameters of Argon2"),
        (HASHES["bcrypt, pyca bcrypt 4.0"][:-1], "no bcrypt hash"),
        (HASHES["bcrypt, pyca bcrypt 4.0"].replace("$2b$", "$2x$"), "no bcrypt hash"),
        (HASHES["bcrypt, pyca bcrypt 4.0"].replace("$04$", "$03$"), "the cost of bcrypt is 3"),
        (HASHES["bcrypt, pyca bcrypt 4.0"][:-1] + "x", "no bcrypt hash"),
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


@given(st.text(max_size=200) | BROKEN)
def test_no_text_breaks_the_reading(encoded: str):
    """Each text is read or refused. Any other exception fails the test."""
    with contextlib.suppress(UnusableHash):
        assert hasattr(imported.read(encoded), "matches")
