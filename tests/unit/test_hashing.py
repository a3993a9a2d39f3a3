"""Passwords are verified and hashed at equal cost, in a private directory."""

import os
import statistics
import time
from pathlib import Path

import argon2
import pytest

from authserver.passwords.hasher import HashingDirectoryRefused
from tests.support.hashing import a_hasher, a_pool

PASSWORD = "correct horse battery staple"
UNREADABLE = [
    "",
    "plain text",
    "$argon2id$",
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
    "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    "$argon2id$v=19$m=64,t=1,p=1$ä$ö",
    "\ud800",
    "$2b$12$abcdefghijklmnopqrstuv",
]


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    return tmp_path / "slots"


# --- matches ----------------------------------------------------------------------------------------------------------


def test_the_right_password_matches_and_nothing_is_rehashed(slots: Path):
    hasher = a_hasher(slots)
    verification = hasher.verify(PASSWORD, hasher.hash(PASSWORD))
    assert verification.matches
    assert verification.rehashed is None


def test_a_wrong_password_and_an_unknown_user_do_not_match(slots: Path):
    hasher = a_hasher(slots)
    assert not hasher.verify("wrong", hasher.hash(PASSWORD)).matches
    assert not hasher.verify(PASSWORD, None).matches


def test_hashes_are_argon2id_with_a_salt_of_their_own(slots: Path):
    hasher = a_hasher(slots)
    one, other = hasher.hash(PASSWORD), hasher.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert one != other


def test_composed_and_decomposed_passwords_differ(slots: Path):
    hasher = a_hasher(slots)
    assert not hasher.verify("e\u0301" * 8, hasher.hash("\u00e9" * 8)).matches


@pytest.mark.parametrize("change", [{"memory_kib": 128}, {"time_cost": 2}, {"memory_kib": 8}])
def test_a_password_is_rehashed_at_sign_in_when_the_setting_changed(slots: Path, change: dict[str, int]):
    old, new = a_hasher(slots), a_hasher(slots, **change)
    verification = new.verify(PASSWORD, old.hash(PASSWORD))
    assert verification.matches
    assert verification.rehashed is not None
    again = new.verify(PASSWORD, verification.rehashed)
    assert again.matches
    assert again.rehashed is None


def test_a_wrong_password_is_never_rehashed(slots: Path):
    verification = a_hasher(slots, time_cost=2).verify("wrong", a_hasher(slots).hash(PASSWORD))
    assert not verification.matches
    assert verification.rehashed is None


@pytest.mark.parametrize("stored", UNREADABLE)
def test_an_unreadable_hash_matches_nothing_and_is_logged_without_its_text(
    slots: Path, caplog: pytest.LogCaptureFixture, stored: str
):
    hasher = a_hasher(slots)
    assert not hasher.verify(PASSWORD, stored).matches
    (record,) = caplog.records
    assert "cannot be read" in record.getMessage()
    assert record.exc_info is None
    assert PASSWORD not in record.getMessage()
    assert not stored or stored not in record.getMessage()
    assert hasher.pool.running == 0


@pytest.mark.parametrize("password", ["", "\0" * 8, "\ud800" * 8, "x" * 100_000])
def test_no_password_breaks_the_hasher(slots: Path, password: str):
    hasher = a_hasher(slots)
    assert hasher.verify(password, hasher.hash(password)).matches
    assert not hasher.verify(password, None).matches


# --- cost -------------------------------------------------------------------------------------------------------------


def test_the_hash_for_unknown_users_has_the_shape_of_a_real_one(slots: Path):
    hasher = a_hasher(slots, memory_kib=128, time_cost=3)
    assert argon2.extract_parameters(hasher._dummy_hash) == argon2.extract_parameters(hasher.hash(PASSWORD))
    assert len(hasher._dummy_hash) == len(hasher.hash(PASSWORD))
    assert hasher._dummy_hash != a_hasher(slots, memory_kib=128, time_cost=3)._dummy_hash


def test_an_unknown_user_and_an_unreadable_hash_cost_what_a_wrong_password_costs(slots: Path):
    hasher = a_hasher(slots, memory_kib=8192, time_cost=2)
    stored = hasher.hash(PASSWORD)

    def cost(encoded: str | None) -> float:
        started = time.thread_time()
        hasher.verify("wrong", encoded)
        return time.thread_time() - started

    rounds = [(cost(stored), cost(None), cost("unreadable")) for _ in range(15)]
    wrong, unknown, unreadable = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    assert 0.6 < unknown / wrong < 1.6
    assert 0.6 < unreadable / wrong < 1.6


# --- the directory -----------------------------------------------------------------------------------------------------


def test_the_directory_is_made_private(tmp_path: Path):
    slots = tmp_path / "new" / "slots"
    a_pool(slots, capacity=3)
    assert slots.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in slots.iterdir()) == ["freed", "slot-0", "slot-1", "slot-2"]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
def test_a_directory_that_others_may_enter_is_refused(slots: Path, mode: int):
    slots.mkdir()
    slots.chmod(mode)
    with pytest.raises(HashingDirectoryRefused, match=f"mode {mode:04o}.*mode 0700"):
        a_pool(slots)


def test_a_directory_of_another_user_is_refused(slots: Path):
    slots.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(slots, 4711, -1)
    else:
        slots = Path("/")
    with pytest.raises(HashingDirectoryRefused, match=f"needs? owner {os.geteuid()}"):
        a_pool(slots)


def test_a_link_or_a_file_in_place_of_the_directory_is_refused(slots: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    slots.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HashingDirectoryRefused, match="link"):
        a_pool(slots)
    slots.unlink()
    slots.touch()
    with pytest.raises(HashingDirectoryRefused, match="no directory"):
        a_pool(slots)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_link_in_place_of_a_slot_is_refused(slots: Path, tmp_path: Path):
    slots.mkdir(mode=0o700)
    (slots / "slot-0").symlink_to(tmp_path / "victim")
    with pytest.raises(HashingDirectoryRefused, match="cannot be opened"):
        a_pool(slots)
    assert not (tmp_path / "victim").exists()


def test_a_file_in_place_of_the_fifo_is_refused(slots: Path):
    slots.mkdir(mode=0o700)
    (slots / "freed").touch()
    with pytest.raises(HashingDirectoryRefused, match="no FIFO"):
        a_pool(slots)


def test_a_directory_that_cannot_be_made_is_refused_with_the_reason():
    with pytest.raises(HashingDirectoryRefused, match=r"/proc/nowhere/slots: .*mode 0700"):
        a_pool(Path("/proc/nowhere/slots"))


def test_a_pool_that_is_gone_leaves_no_descriptor_open(slots: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        a_pool(slots)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10
