"""Which settings contradict each other, and what would be right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from operator import attrgetter

from authserver.settings.loading import Contradiction
from authserver.settings.types import MASTER_KEY_HINT
from authserver.settings.values import Values

# Memory in KiB and passes: each pair costs an attacker about the same (OWASP Password Storage Cheat Sheet, Argon2id).
OWASP_ARGON2_MINIMA = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))


def _lifetimes(settings: Values) -> Iterator[Contradiction]:
    pairs = (
        ("tokens.access_token_lifetime", "tokens.max_access_token_lifetime"),
        ("tokens.refresh_idle_lifetime", "tokens.max_refresh_idle_lifetime"),
        ("tokens.refresh_absolute_lifetime", "tokens.max_refresh_absolute_lifetime"),
        ("tokens.refresh_idle_lifetime", "tokens.refresh_absolute_lifetime"),
        ("tokens.access_token_lifetime", "tokens.refresh_idle_lifetime"),
        # The next key must have been published for one cache lifetime before it signs.
        ("keys.jwks_max_age", "keys.signing_key_lifetime"),
        ("passwords.min_length", "passwords.max_length"),
        ("pages.idle_timeout", "pages.lifetime"),
    )
    for pair in pairs:
        small, large = attrgetter(*pair)(settings)
        if small > large:
            yield pair, f"{pair[0]} must be at most {pair[1]} ({large})"


def _hashing(settings: Values) -> Iterator[Contradiction]:
    passwords, threads = settings.passwords, settings.server.threads
    free = max(2, settings.server.kept_free)
    if passwords.hashing_queue >= threads - free:
        # Sign-ins must not take all threads of a worker that may wait for the database: refreshes need some.
        yield (
            ("passwords.hashing_queue", "server.threads"),
            f"passwords.hashing_queue must be less than server.threads - {free} ({threads - free})",
        )
    cost = ("passwords.argon2_memory_kib", "passwords.argon2_time_cost")
    strong = any(
        passwords.argon2_memory_kib >= memory and passwords.argon2_time_cost >= passes
        for memory, passes in OWASP_ARGON2_MINIMA
    )
    if settings.environment != "development" and not strong:
        minima = ", ".join(f"{memory} and {passes}" for memory, passes in OWASP_ARGON2_MINIMA)
        yield cost, f"memory in KiB and time cost must reach one of OWASP's minima: {minima}"
    if passwords.argon2_memory_kib < 8 * passwords.argon2_parallelism:
        yield (
            ("passwords.argon2_memory_kib", "passwords.argon2_parallelism"),
            "passwords.argon2_memory_kib must be at least 8 for each lane of argon2_parallelism",
        )


def _breached_passwords(settings: Values) -> Iterator[Contradiction]:
    directory = settings.passwords.breached_dir
    if directory is not None and not (directory.is_dir() and os.access(directory, os.X_OK)):
        yield ("passwords.breached_dir",), "must be a directory that this user may enter; unset it to go without"


def _store_of_counts(settings: Values) -> Iterator[Contradiction]:
    if settings.throttling.store is not None and find_spec("redis") is None:
        yield ("throttling.store",), "needs the client library of Redis: pip install 'authserver[redis]'"


def _production(settings: Values) -> Iterator[Contradiction]:
    if settings.environment != "production":
        return
    if not settings.issuer.startswith("https://"):
        yield ("issuer",), "production needs an issuer that starts with https://"
    if settings.master_key is None and not os.access(settings.master_key_file, os.R_OK):
        places = f"AUTHSERVER_MASTER_KEY_FILE, AUTHSERVER_MASTER_KEY or a readable {settings.master_key_file}"
        yield ("master_key",), f"production needs {places}; a key {MASTER_KEY_HINT}"
    if settings.database.url is None:
        yield (
            ("database.url",),
            "production needs an explicit database, such as postgresql://user:password@host:5432/database",
        )


RULES: tuple[Callable[[Values], Iterator[Contradiction]], ...] = (
    _production,
    _lifetimes,
    _hashing,
    _breached_passwords,
    _store_of_counts,
)
