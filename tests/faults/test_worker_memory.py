"""Sign-ins leave a worker as small as it was, but for the memory of the hashes that may run at once."""

import base64
import hashlib
import os
import secrets
from pathlib import Path

import argon2

from benchmarks.processes import uss_mib
from tests.support.at_once import threads_at_once
from tests.support.oauth import OAuth, Person
from tests.support.server import LiveServer
from tests.support.setup import Setup

CONCURRENCY, HASH_MIB, SLACK_MIB = 2, 19, 20
CALLERS = 6
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
SIZES = {"AUTHSERVER_PASSWORDS__ARGON2_MEMORY_KIB": str(HASH_MIB * 1024)}


def argon2_hash(password: str, mib: int, kind: argon2.Type = argon2.Type.ID) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=mib * 1024, parallelism=1, type=kind).hash(password)


def scrypt_hash(log_n: int) -> str:
    salt = secrets.token_bytes(16)
    result = hashlib.scrypt(b"x", salt=salt, n=1 << log_n, r=8, p=1, maxmem=2**30, dklen=32)
    parts = [base64.b64encode(part).decode().rstrip("=") for part in (salt, result)]
    return f"$scrypt$ln={log_n},r=8,p=1${parts[0]}${parts[1]}"


def test_sign_ins_with_hashes_of_every_size_leave_a_worker_small(setup: Setup):
    limits = {"AUTHSERVER_PASSWORDS__HASHING_CONCURRENCY": "2", "AUTHSERVER_PASSWORDS__HASHING_QUEUE": "11"}
    person = setup.a_person(password="correct horse", password_hash=argon2_hash("correct horse", HASH_MIB))
    imported = [
        *(scrypt_hash(log_n) for log_n in (14, 16)),  # 16 and 64 MiB
        *(argon2_hash("x", mib, kind) for mib in (31, 64) for kind in (argon2.Type.ID, argon2.Type.I)),
    ]
    # A wrong password: the right one would replace the hash.
    strangers = [setup.a_person(password_hash=encoded) for encoded in imported]
    server = LiveServer(setup, workers=1, **SIZES, **limits).start()
    try:
        with server.http() as http:
            oauth = OAuth(http, setup.an_app())
            assert oauth.own_token().status_code == 200
            (worker,) = server.worker_pids()
            at_rest = uss_mib(worker)
            acts = [lambda: sign_ins(oauth, person, strangers)] * CALLERS
            statuses = threads_at_once(*acts)
            grown = uss_mib(worker) - at_rest
    finally:
        server.stop()
    assert statuses == [[200] + [400] * len(strangers)] * CALLERS
    assert grown < CONCURRENCY * HASH_MIB + SLACK_MIB


def test_sign_ins_one_after_another_take_no_new_memory(setup: Setup):
    # New pages from the kernel for each hash would cost half as much time as the hash itself.
    person = setup.a_person(password="correct horse", password_hash=argon2_hash("correct horse", HASH_MIB))
    server = LiveServer(setup, workers=1, **SIZES, AUTHSERVER_PASSWORDS__ARGON2_TIME_COST="1").start()
    try:
        with server.http() as http:
            oauth = OAuth(http, setup.an_app())
            assert [oauth.sign_in(person).status_code for _ in range(3)] == [200] * 3
            (worker,) = server.worker_pids()
            before = page_faults(worker)
            assert [oauth.sign_in(person).status_code for _ in range(10)] == [200] * 10
            taken = page_faults(worker) - before
    finally:
        server.stop()
    assert taken * PAGE_KIB < HASH_MIB * 1024


def sign_ins(oauth: OAuth, person: Person, strangers: list[Person]) -> list[int]:
    """Sign in with own and imported hashes in turns, each as often as it takes to be no longer put off."""
    return [until_checked(oauth, somebody) for somebody in [person, *strangers]]


def until_checked(oauth: OAuth, person: Person) -> int:
    """The status of a sign-in whose password was checked; on a slow machine some find no slot in time."""
    while (status := oauth.sign_in(person).status_code) == 503:
        pass
    return status


def page_faults(pid: int) -> int:
    """How many pages a process has got from the kernel."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[7])
