"""The doctor on a database: a healthy set-up yields nothing, each sickness exactly its finding, and the cure works."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.administration.context import Administration
from authserver.administration.doctor import Finding, Severity, check, examine, survey
from authserver.database.engine import open_database
from authserver.keys.model import Kind
from authserver.settings.values import DatabaseSettings, MetricsSettings, PageSettings, PasswordSettings
from tests.support.commands import parse, run
from tests.support.stage import Stage

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
DAY_MS = 86_400_000


@pytest.fixture
def healthy(stage: Stage) -> Stage:
    """A set-up that nobody can say anything against."""
    stage.settings = stage.with_settings(
        passwords=PasswordSettings(), metrics=MetricsSettings(token=SecretStr("0123456789abcdef"))
    )
    stage.key_rotation().ensure()
    if stage.kind == "sqlite":
        _file(stage).chmod(0o600)
    stage.an_app(client_id="job", kind="service", grants={"client_credentials"})
    stage.a_person(username="anna", password_hash=HASH, roles="administrator")
    return stage


def admin(stage: Stage) -> Administration:
    return Administration(stage.database, stage.settings, "cli:test")


def found(stage: Stage) -> list[Finding]:
    return examine(admin(stage))


def _file(stage: Stage) -> Path:
    return Path(str(stage.settings.database_url.database))


def _mobile(stage: Stage, **changes: Any) -> None:
    """A public app that can refresh, and sign in by a grant that nothing is said against."""
    stage.an_app(**{"client_id": "app", "public": True, "grants": {"refresh_token", "client_credentials"}, **changes})


def _web(stage: Stage, **changes: Any) -> None:
    stage.an_app(**{"client_id": "shop", "grants": {"refresh_token", "client_credentials"}, **changes})


def _age_clients(stage: Stage) -> None:
    stage.sql("UPDATE clients SET changed_at = changed_at - :ms", ms=2 * DAY_MS)


def _age_key(kind: str, ms: int) -> Callable[[Stage], None]:
    def age(stage: Stage) -> None:
        changes = "activated_at = activated_at - :ms, created_at = created_at - :ms"
        stage.sql(f"UPDATE keys SET {changes} WHERE kind = :kind", ms=ms, kind=kind)

    return age


def _retire_leaked(stage: Stage) -> None:
    """An opaque key as it was left behind when only signing keys were gone at once."""
    stage.key_rotation().rotate(Kind.OPAQUE, at_once=True, actor="cli:test")
    stage.sql("UPDATE keys SET leaked = TRUE WHERE kind = 'opaque' AND state = 'retired'")


def _uses_previous_secret(stage: Stage) -> None:
    now = stage.database.now()
    stage.sql(
        "UPDATE clients SET previous_secret_digest = secret_digest, previous_secret_expires_at = :until, "
        "secret_used_at = NULL, previous_secret_used_at = :used WHERE client_id = 'job'",
        until=now + DAY_MS,
        used=now,
    )


@dataclass(frozen=True)
class Sick:
    """What makes a set-up sick, what is found then, and what stands for the words that its cure leaves open."""

    check: str
    severity: Severity
    make: Callable[[Stage], object]
    says: str
    words: dict[str, str] | None = None


E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
SICK = [
    Sick("client.password-grant", W, lambda s: s.an_app(client_id="shop"), "RFC 9700 section 2.4"),
    Sick("client.unused-secret", W, _age_clients, "not been used since"),
    Sick("client.previous-secret", W, _uses_previous_secret, "ends in about 2"),
    Sick("client.no-first-token", W, lambda s: _web(s, grants={"refresh_token"}), "cannot sign in"),
    Sick("client.unknown-scope", W, lambda s: _web(s, scopes={"read", "write", "gone"}), "no API owns any more"),
    Sick("client.no-scopes", N, lambda s: _web(s, scopes=set()), "has no scopes", {"SCOPE": "read"}),
    Sick("client.browser-secret", W, lambda s: _web(s, kind="browser", grants={"refresh_token", "password"}), "10017"),
    Sick("client.browser-without-cookie", W, lambda s: s.an_app(client_id="shop", public=True, kind="browser"), "10017", {"URL": "https://app.example.com"}),
    Sick("client.late-retries", W, lambda s: _web(s, late_retries=3), "3 late retries"),
    Sick("client.retry-window", W, lambda s: _web(s, retry_window=61), "61 s"),
    Sick("client.no-retry-window", N, lambda s: _web(s, retry_window=0), "signed out"),
    Sick("client.access-token-lifetime", W, lambda s: _web(s, access_token_lifetime=3601), "6750 section 5.3"),
    Sick(
        "client.refresh-lifetime",
        W,
        lambda s: _web(s, refresh_absolute_lifetime=91 * 86_400, refresh_idle_lifetime=60 * 86_400),
        "RFC 9700 section 4.14.2",
    ),
    Sick("api.no-scopes", N, lambda s: s.an_api("https://b.example.com", ""), "owns no scopes", {"SCOPE": "write:b"}),
    Sick("scope.unasked", N, lambda s: s.an_api("https://b.example.com", "b"), "no enabled client may ask"),
    Sick(
        "scope.role-without-users",
        W,
        lambda s: (s.an_api("https://b.example.com", "b", {"b": "editor"}), _web(s, scopes={"b"})),
        "role editor",
        {"USER": "anna"},
    ),
    Sick("users.weak-hashes", N, lambda s: s.a_person(password_hash=HASH.replace("19456", "9216")), "next sign-in"),
    Sick("users.imported-hashes", N, lambda s: s.a_person(password_hash="$2b$12$" + "a" * 53), r"\(\$2b\)"),
    Sick(
        "users.no-administrator",
        W,
        lambda s: s.sql("UPDATE users SET roles = '' WHERE username = 'anna'"),
        "nobody can sign in to the console",
        {"USER": "anna"},
    ),
    Sick("key.overdue", W, _age_key("signing", 31 * DAY_MS), "24 h ago"),
    Sick("key.due", N, _age_key("opaque", 29 * DAY_MS + 3_600_000), "in 22 h"),
    Sick("key.no-successor", W, lambda s: s.sql("DELETE FROM keys WHERE kind = 'token' AND state = 'next'"), "leak"),
    Sick(
        "key.leaked",
        E,
        lambda s: s.sql("UPDATE keys SET leaked = TRUE WHERE kind = 'signing' AND state = 'active'"),
        "marked as leaked",
    ),
    Sick("key.leaked", E, _retire_leaked, "marked as leaked"),
]  # fmt: skip


def test_a_healthy_setup_yields_nothing(healthy: Stage):
    assert found(healthy) == []


@pytest.mark.parametrize("sick", SICK, ids=lambda sick: sick.check)
def test_each_sickness_is_found_and_its_cure_works(healthy: Stage, sick: Sick, monkeypatch: pytest.MonkeyPatch):
    sick.make(healthy)
    mine = [one for one in found(healthy) if one.check == sick.check]
    others = {one.check for one in found(healthy)} - {sick.check}
    assert others <= {"client.password-grant", "client.browser-without-cookie", "api.no-scopes"}, (
        others
    )  # what a sick client needs, to be that
    assert [one.severity for one in mine] == [sick.severity]
    assert re.search(sick.says, mine[0].reason), mine[0].reason
    command = mine[0].command
    if command is None:
        assert sick.check in {"users.weak-hashes", "users.imported-hashes", "client.previous-secret"}
        return
    for word, value in (sick.words or {}).items():
        assert word in command
        command = command.replace(word, value)
    run(healthy, monkeypatch, command)
    assert sick.check not in {one.check for one in found(healthy)}


def test_a_token_key_that_is_marked_as_leaked_is_read_on_and_yields_nothing(healthy: Stage):
    (row,) = healthy.sql("SELECT id FROM keys WHERE kind = 'token' AND state = 'active'")
    healthy.key_rotation().mark_leaked(row.id, actor="cli:test")
    assert found(healthy) == []


def test_a_client_that_has_changed_over_to_its_new_secret_is_healthy(healthy: Stage):
    _uses_previous_secret(healthy)
    assert [one.check for one in found(healthy)] == ["client.previous-secret"]
    healthy.sql("UPDATE clients SET secret_used_at = previous_secret_used_at + 1")
    assert found(healthy) == []


def test_a_user_without_a_password_is_named_with_the_command_that_sets_one(healthy: Stage):
    user = healthy.a_person(username="ber ta")
    healthy.sql("UPDATE users SET password_hash = NULL WHERE username = 'ber ta'")
    (one,) = found(healthy)
    assert (one.check, one.severity, one.subject) == ("users.no-password", Severity.NOTE, "1 user")
    assert parse(str(one.command)) == ["users", "set-password", user.username]


def test_names_in_commands_are_quoted_for_a_shell(healthy: Stage):
    healthy.a_person(username="-x; touch $(id) 'y'")
    healthy.sql("UPDATE users SET password_hash = NULL WHERE username LIKE '-x%'")
    (one,) = found(healthy)
    assert parse(str(one.command)) == ["users", "set-password", "--", "-x; touch $(id) 'y'"]


def test_kinds_of_hashes_are_counted_in_one_statement_and_named_without_their_salt(healthy: Stage):
    imported = {
        "$scrypt": "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "pbkdf2_sha256": "pbkdf2_sha256$870000$salt$R29v",
        "scrypt:32768:8:1": "scrypt:32768:8:1$salt$abcdef",
        "$argon2id$v=19$m=65536,t=3,p=4": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    }
    for encoded in imported.values():
        healthy.a_person(password_hash=encoded)
    seen = survey.take(admin(healthy))
    present = "$argon2id$v=19$m=19456,t=2,p=1"
    assert {one.kind: one.count for one in seen.hashes} == dict.fromkeys([*imported, present], 1)
    assert [one.check for one in check(seen)] == ["users.imported-hashes"] * 3  # dearer Argon2id is no weakness


def test_disabled_clients_and_users_are_left_alone(healthy: Stage):
    healthy.an_app(client_id="shop", scopes={"gone"})
    healthy.a_person(username="berta", password_hash="$2b$12$" + "a" * 53)
    assert len(found(healthy)) == 3
    healthy.sql("UPDATE clients SET enabled = FALSE WHERE client_id = 'shop'")
    healthy.sql("UPDATE users SET enabled = FALSE WHERE username = 'berta'")
    assert found(healthy) == []


def test_nobody_needs_an_administrator_where_the_console_is_switched_off(healthy: Stage):
    healthy.sql("UPDATE users SET roles = '' WHERE username = 'anna'")
    assert [one.check for one in found(healthy)] == ["users.no-administrator"]
    healthy.settings = healthy.with_settings(pages=PageSettings(admin=False))
    assert found(healthy) == []


@pytest.mark.parametrize(("skew", "severity"), [(2.4, None), (2.6, Severity.WARNING), (5.1, Severity.ERROR)])
def test_a_clock_that_differs_is_found(healthy: Stage, skew: float, severity: Severity | None):
    seen = survey.take(admin(healthy))
    assert seen.skew < 2
    assert [one.severity for one in check(replace(seen, skew=skew))] == ([] if severity is None else [severity])


def test_a_new_installation_is_told_to_start_the_server(stage: Stage, healthy: Stage):
    healthy.sql("DELETE FROM keys")
    (one,) = found(healthy)
    assert (one.check, one.severity, parse(str(one.command))) == ("key.none", Severity.NOTE, ["serve"])


def test_files_that_others_can_read_are_found_and_closed(healthy: Stage):
    files = {"node.master-key": healthy.settings.master_key_file}
    if healthy.kind == "sqlite":
        files["node.database-file"] = _file(healthy)
    for file in files.values():
        file.chmod(0o644)
    sick = found(healthy)
    assert {one.check for one in sick} == files.keys()
    for one in sick:
        subprocess.run(shlex.split(str(one.command)), check=True)
    assert found(healthy) == []


def test_keys_under_another_master_key_are_found(healthy: Stage):
    healthy.settings.master_key_file.write_text("A" * 43 + "\n")
    (one,) = found(healthy)
    assert (one.check, one.severity, one.command) == ("node.master-key", Severity.ERROR, None)
    assert "sealed under master key" in one.reason


def test_keys_under_the_old_master_key_are_found(healthy: Stage, monkeypatch: pytest.MonkeyPatch):
    old = healthy.settings.master_key_file.read_text().strip()
    new = "B" * 42 + "A"
    healthy.settings = healthy.with_settings(master_key=SecretStr(new), old_master_key=SecretStr(old))
    by_check = {one.check: one for one in found(healthy)}
    assert by_check.keys() == {"node.old-master-key", "settings.old-master-key"}
    monkeypatch.setenv("AUTHSERVER_MASTER_KEY", new)
    monkeypatch.setenv("AUTHSERVER_OLD_MASTER_KEY", old)
    arguments = parse(str(by_check["node.old-master-key"].command))
    assert arguments == ["keys", "rewrap"]
    admin(healthy).rotation.rewrap(actor="cli:test")
    assert [one.check for one in found(healthy)] == ["settings.old-master-key"]


def test_an_outdated_schema_is_found_and_ends_only_the_checks_of_the_database(
    healthy: Stage, monkeypatch: pytest.MonkeyPatch
):
    healthy.sql("DELETE FROM alembic_version")
    healthy.settings = healthy.with_settings(metrics=MetricsSettings())
    assert [(one.check, one.severity) for one in found(healthy)] == [
        ("node.database-schema", Severity.ERROR),
        ("settings.metrics", Severity.NOTE),
    ]
    assert parse(str(found(healthy)[0].command)) == ["db", "upgrade"]


def test_a_database_that_is_not_there_is_found_and_not_made(healthy: Stage, tmp_path: Path):
    if healthy.kind == "sqlite":
        file = _file(healthy)
        healthy.database.dispose()
        file.rename(tmp_path / "elsewhere.db")
        assert [(one.check, one.command) for one in found(healthy)] == [
            ("node.database-missing", "authserver db upgrade")
        ]
        assert not file.exists()
    else:
        nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2"
        healthy.settings = healthy.with_settings(database=DatabaseSettings(url=SecretStr(nowhere)))
        away = open_database(Flask("away"), healthy.settings)
        (one,) = examine(Administration(away, healthy.settings, "cli:test"))
        assert (one.check, one.severity) == ("node.database-away", Severity.ERROR)
        away.dispose()
