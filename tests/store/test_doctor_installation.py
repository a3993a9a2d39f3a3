"""The doctor finds faults of an installation: of its files, its keys and its schema."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.administration import recovery
from authserver.administration.context import Administration
from authserver.administration.doctor import Severity, examine
from authserver.database.engine import open_database
from authserver.records import audit
from authserver.records.audit import Entry, Event
from authserver.settings.values import DatabaseSettings, MetricsSettings
from tests.support.commands import parse
from tests.support.databases import on_both_databases
from tests.support.healthy import admin, file_of, findings
from tests.support.setup import Setup


@on_both_databases
def test_a_new_installation_is_told_to_start_the_server(setup: Setup, healthy: Setup):
    healthy.sql("DELETE FROM keys")
    (one,) = findings(healthy)
    assert (one.check, one.severity, parse(str(one.command))) == ("key.none", Severity.NOTE, ["serve"])


def test_files_that_others_can_read_are_found_and_closed(healthy: Setup):
    files = {"node.master-key": healthy.settings.master_key_file, "node.database-file": file_of(healthy)}
    for file in files.values():
        file.chmod(0o644)
    sick = findings(healthy)
    assert {one.check for one in sick} == files.keys()
    for one in sick:
        subprocess.run(shlex.split(str(one.command)), check=True)
    assert findings(healthy) == []


def test_keys_under_another_master_key_are_found(healthy: Setup):
    healthy.settings.master_key_file.write_text("A" * 43 + "\n")
    (one,) = findings(healthy)
    assert (one.check, one.severity, one.command) == ("node.master-key", Severity.ERROR, None)
    assert "sealed under master key" in one.reason


@on_both_databases
def test_keys_under_the_old_master_key_are_found(healthy: Setup, monkeypatch: pytest.MonkeyPatch):
    old = healthy.settings.master_key_file.read_text().strip()
    new = "B" * 42 + "A"
    healthy.settings = healthy.with_settings(master_key=SecretStr(new), old_master_key=SecretStr(old))
    by_check = {one.check: one for one in findings(healthy)}
    assert by_check.keys() == {"node.old-master-key", "settings.old-master-key"}
    monkeypatch.setenv("AUTHSERVER_MASTER_KEY", new)
    monkeypatch.setenv("AUTHSERVER_OLD_MASTER_KEY", old)
    arguments = parse(str(by_check["node.old-master-key"].command))
    assert arguments == ["keys", "rewrap"]
    admin(healthy).rotation.rewrap(actor="cli:test")
    assert [one.check for one in findings(healthy)] == ["settings.old-master-key"]


@on_both_databases
def test_an_outdated_schema_is_found_and_ends_only_the_checks_of_the_database(
    healthy: Setup, monkeypatch: pytest.MonkeyPatch
):
    healthy.sql("DELETE FROM alembic_version")
    healthy.settings = healthy.with_settings(metrics=MetricsSettings())
    assert [(one.check, one.severity) for one in findings(healthy)] == [
        ("node.database-schema", Severity.ERROR),
        ("settings.metrics", Severity.NOTE),
    ]
    assert parse(str(findings(healthy)[0].command)) == ["db", "upgrade"]


@on_both_databases
def test_a_database_that_is_not_there_is_found_and_not_made(healthy: Setup, tmp_path: Path):
    if healthy.kind == "sqlite":
        file = file_of(healthy)
        healthy.database.dispose()
        file.rename(tmp_path / "elsewhere.db")
        assert [(one.check, one.command) for one in findings(healthy)] == [
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


@on_both_databases
def test_a_database_that_went_back_is_found_until_a_recovery_is_declared_and_a_recovery_until_it_ends(
    setup: Setup, healthy: Setup
):
    healthy.transaction(lambda connection: audit.record(connection, Entry(Event.SESSION_FROM_THE_FUTURE, "client:a")))
    (one,) = findings(healthy)
    assert (one.check, one.severity) == ("node.went-back", Severity.ERROR)
    assert parse(str(one.command)) == ["recover", "start"]
    recovery.start(admin(healthy), 3600)
    (one,) = findings(healthy)
    assert (one.check, one.severity) == ("node.recovery", Severity.WARNING)
    assert parse(str(one.command)) == ["recover", "stop"]
    recovery.stop(admin(healthy))
    assert [one.check for one in findings(healthy)] == ["node.went-back"]
    healthy.sql("UPDATE audit_events SET at = at - 3600000")
    assert findings(healthy) == []
