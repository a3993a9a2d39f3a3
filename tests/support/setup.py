"""The setup of a test: one fresh database with the schema, settings for it, and factories that put rows into it.

Factories write by the stores, so they serve an app in this process and a live server alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Connection, text

from authserver.apis import store as apis
from authserver.apis.model import Api, Scope
from authserver.clients import store as clients
from authserver.clients.secrets import digest, new_secret
from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.database.identifiers import new_id
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.passwords.hasher import PasswordHasher
from authserver.settings.model import Settings
from authserver.settings.values import CacheSettings, DatabaseSettings, PasswordSettings, ServerSettings
from authserver.users import store as users
from authserver.users.names import fold
from tests.support.oauth import App, OAuth, Person
from tests.support.postgres import Postgres, postgres_or_skip

#: The cheapest Argon2id, because tests do not depend on its strength.
CHEAP = PasswordSettings(argon2_memory_kib=8, argon2_time_cost=1)
#: Never expires within a test, so such a node notices no change by itself. The settings allow at most 5 seconds.
STALE = CacheSettings().model_copy(update={"max_age": 3600.0})
#: Seconds that are longer than the silences of any test: when its database was away, or no worker ran.
SILENCES = 120
#: `database.timeout` where a test waits until it is over. A busy machine takes two seconds for an answer at times.
SOON = 3
#: The fixture `a_node`, which makes a node with these caches.
ANode = Callable[[CacheSettings], OAuth]
API = "https://api.example.com"
ISSUER = "http://127.0.0.1:8000"


@dataclass
class Setup:
    """A database, its settings, and functions that make and show rows. Closing it closes its connections."""

    kind: str
    directory: Path
    settings: Settings
    database: Database
    hasher: PasswordHasher
    postgres: Postgres | None

    def an_api(self, audience: str = API, scopes: str = "read write", roles: dict[str, str] | None = None) -> str:
        """An API with these scopes; `roles` binds a scope to space-separated roles."""
        bound = roles or {}
        owned = [Scope(name, audience, frozenset(bound.get(name, "").split())) for name in scopes.split()]
        with self.database.transaction() as connection:
            apis.add(connection, Api(audience, audience, None, frozenset(scopes.split())), owned)
        return audience

    def an_app(self, **changes: Any) -> App:
        """A confidential client with every grant; `public=True` makes one without a secret. Takes any column."""
        public = changes.pop("public", False)
        secret = None if public else changes.pop("secret", None) or new_secret()
        values: dict[str, Any] = {
            "client_id": "app-" + secrets.token_hex(4),
            "name": "An app",
            "kind": "mobile" if public else "web",
            "auth_methods": {"none"} if public else {"client_secret_basic", "client_secret_post"},
            "secret_digest": None if secret is None else digest(secret),
            "grants": {"password", "refresh_token"} if public else {"password", "refresh_token", "client_credentials"},
            "scopes": {"read", "write"},
            "default_scopes": None,
            "default_api": None,
            "refresh_policy": "rotate",
            "retry_window": None,
            "late_retries": 0,
            "refuse_foreign_retries": False,
            "access_token_lifetime": None,
            "refresh_idle_lifetime": None,
            "refresh_absolute_lifetime": None,
            "max_sessions_per_user": None,
        }
        values |= changes
        for column in ("auth_methods", "grants", "scopes"):
            values[column] = frozenset(values[column])
        with self.database.transaction() as connection:
            clients.add(connection, values)
        return App(values["client_id"], secret)

    def change_app(self, client_id: str, **values: Any) -> None:
        """Change columns of a client as another node does: no cache notices."""
        self.transaction(lambda connection: clients.change(connection, client_id, values))

    def end_epoch(self, client_id: str, *, enabled: bool) -> None:
        """Disable a client, or disable and enable it, without the sweep of its sessions."""
        self.transaction(lambda connection: clients.end_epoch(connection, client_id, enabled=False))
        self.change_app(client_id, enabled=enabled)

    def a_person(self, **changes: Any) -> Person:
        """A user with a password; `roles` space-separated. With `username=None` the user has the address alone."""
        username = changes.pop("username", "user-" + secrets.token_hex(4))
        email = changes.pop("email", None)
        password = changes.pop("password", "correct horse " + secrets.token_hex(4))
        user_id = new_id()
        with self.database.transaction() as connection:
            users.add(
                connection,
                {
                    "id": user_id,
                    "username": username or email,
                    "username_key": None if username is None else fold(username),
                    "email": email,
                    "email_key": None if email is None else fold(email),
                    "password_hash": changes.pop("password_hash", None) or self.hasher.hash(password),
                    "roles": frozenset(changes.pop("roles", "").split()),
                    "subject": changes.pop("subject", None),
                },
            )
        return Person(str(user_id), username or email, password, email)

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run a statement, to look at rows or to back-date them. Converts UUIDs to the form that is stored."""
        if self.kind == "sqlite":
            parameters = {n: v.hex if isinstance(v, UUID) else v for n, v in parameters.items()}
        with self.database.transaction() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    def transaction(self, work: Callable[[Connection], Any]) -> Any:
        with self.database.transaction() as connection:
            return work(connection)

    def back_date(self, session_id: str, seconds: float) -> None:
        """Make all times of a session older, as if that time had passed."""
        columns = ("created_at", "auth_time", "last_used_at", "rotated_at", "access_expires_at", "idle_expires_at")
        moved = ", ".join(f"{column} = {column} - :ms" for column in (*columns, "absolute_expires_at"))
        self.sql(f"UPDATE sessions SET {moved} WHERE id = :id", ms=int(seconds * 1000), id=UUID(session_id))

    def let_the_window_pass(self, session_id: str, window: float) -> None:
        """Make a session older than its retry window, in which the silences of the test do not count."""
        self.back_date(session_id, window + SILENCES)

    def session(self, session_id: str) -> Any:
        """A session's row."""
        (row,) = self.sql("SELECT * FROM sessions WHERE id = :id", id=UUID(session_id))
        return row

    def events(self, name: str) -> list[Any]:
        """The audit events of a name, oldest first."""
        return self.sql("SELECT * FROM audit_events WHERE event = :name ORDER BY id", name=name)

    def key_rotation(self) -> KeyRotation:
        """The key rotation of another node."""
        vault = open_vault(self.settings)
        return KeyRotation(self.database, vault, schedule(self.settings), algorithm=self.settings.tokens.algorithm)

    def with_settings(self, **changes: Any) -> Settings:
        """The setup's settings with some changed."""
        return self.settings.model_copy(update=changes)

    def impatient(self, *, pool_size: int = 8, **changes: Any) -> Settings:
        """The setup's settings with some changed, for a node that waits for the database only `SOON` seconds."""
        database = self.settings.database.model_copy(update={"pool_size": pool_size, "timeout": SOON})
        return self.with_settings(database=database, **changes)

    def close(self) -> None:
        self.database.dispose()
        if self.postgres is not None:
            self.postgres.drop_database(_url(self.settings))


def make_setup(kind: str, directory: Path, postgres: Postgres | None = None, **settings: Any) -> Setup:
    """Make a setup on "sqlite" or "postgresql", by a copy of a database with the schema.

    `postgres` is a cluster of the test's own, which the test may kill.
    """
    if kind == "postgresql" and postgres is None:
        postgres = postgres_or_skip()
    url = _fresh_sqlite(directory) if postgres is None else postgres.create_database_like("schema", _migrate)
    made = Settings(
        **{
            "data_dir": directory / "data",
            "key_dir": directory / "keys",
            "issuer": ISSUER,
            "database": DatabaseSettings(url=SecretStr(url)),
            "passwords": CHEAP,
            "server": ServerSettings(threads=16),
            "caches": CacheSettings(),
            **settings,
        }
    )
    hasher = PasswordHasher(
        directory / "slots", memory_kib=8, time_cost=1, parallelism=1, concurrency=2, queue=64, patience=30
    )
    return Setup(kind, directory, made, open_database(Flask("setup"), made, bounded=False), hasher, postgres)


def _url(settings: Settings) -> str:
    assert settings.database.url is not None
    return settings.database.url.get_secret_value().replace("+psycopg", "")


_templates: dict[str, bytes] = {}


def _fresh_sqlite(directory: Path) -> str:
    target = directory / "data" / "authserver.db"
    target.parent.mkdir(parents=True)
    if "sqlite" in _templates:
        target.write_bytes(_templates["sqlite"])
    else:
        _migrate(f"sqlite:///{target}")
        _templates["sqlite"] = target.read_bytes()
    return f"sqlite:///{target}"


def _migrate(url: str) -> None:
    settings = Settings(database=DatabaseSettings(url=SecretStr(url)))
    database = open_database(Flask("migration"), settings, bounded=False)
    schema.upgrade(database)
    database.dispose()
