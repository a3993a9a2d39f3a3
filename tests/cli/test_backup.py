"""Backup and restore of an SQLite database, as an operator does them, and the way back of its clients."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database import files, schema
from authserver.database.engine import open_database
from authserver.settings.values import DatabaseSettings
from tests.support.databases import on_postgresql
from tests.support.hasher import until
from tests.support.oauth import OAuth, refused_as
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup
from tests.support.shell import Shell
from tests.support.token_answer import TokenAnswer, token_answer


@pytest.fixture
def shell(setup: Setup) -> Shell:
    return Shell(setup)


@pytest.fixture
def place(setup: Setup) -> Path:
    """The database. No connection of the test is open."""
    setup.database.dispose()
    return setup.settings.data_dir / "authserver.db"


@pytest.fixture
def saved(shell: Shell, place: Path, tmp_path: Path) -> Path:
    """A backup of the database, to which a user was added afterwards."""
    file = tmp_path / "saved.db"
    shell.json("backup", str(file))
    shell.json("users", "add", "later", "--password-stdin", given="correct horse battery\n")
    return file


def has_user(file: Path, name: str) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT count(*) FROM users WHERE username = ?", (name,)).fetchone()[0]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return bool(found)


class Device:
    """An app with a session, which keeps its token when it is told to wait."""

    def __init__(self, oauth: OAuth, setup: Setup) -> None:
        self.oauth, self.setup = oauth, setup
        self.token: TokenAnswer = token_answer(oauth.sign_in(setup.a_person()))

    def refresh(self) -> httpx.Response:
        """Refresh, after the window."""
        self.setup.back_date(self.token.session_id, 31)
        self.setup.database.dispose()
        response = self.oauth.refresh(self.token.refresh_token)
        if response.status_code == 200:
            self.token = token_answer(response)
        return response


@pytest.fixture
def server(setup: Setup) -> Iterator[LiveServer]:
    server = ForkedServer(setup, workers=1).start()
    yield server
    server.stop()


@pytest.fixture
def http(server: LiveServer) -> Iterator[httpx.Client]:
    with server.http() as http:
        yield http


def test_clients_of_a_restored_database_wait_keep_their_tokens_and_go_on_after_recover(
    setup: Setup, server: LiveServer, http: httpx.Client, tmp_path: Path
):
    place, file = setup.settings.data_dir / "authserver.db", tmp_path / "backup.db"
    oauth = OAuth(http, setup.an_app(public=True))
    devices = [Device(oauth, setup) for _ in range(4)]
    assert {device.refresh().status_code for device in devices} == {200}
    assert server.run("backup", str(file)).returncode == 0
    assert (file.stat().st_mode & 0o777, [p.name for p in tmp_path.glob("*backup.db*")]) == (0o600, ["backup.db"])
    for _ in range(2):
        assert {device.refresh().status_code for device in devices} == {200}
    refused = server.run("restore", str(file), "--yes")
    assert (refused.returncode, "stop the server" in refused.stderr) == (1, True)
    server.stop(signal.SIGKILL)
    assert place.with_name("authserver.db-wal").stat().st_size > 0  # it would be written into the restored database

    def restored() -> bool:
        done = server.run("restore", str(file), "--yes")
        return done.returncode == 0 and "authserver recover start" in done.stdout

    until(restored)  # the worker ends a moment after its parent
    server.start()
    for device in devices:
        later = device.refresh()
        assert refused_as(later, "temporarily_unavailable", 503)
        assert int(later.headers["retry-after"]) > 0
    assert server.run("doctor").returncode == 1

    started = server.run("recover", "start", "--for", "1h")
    assert (started.returncode, "sessions ended since the backup" in started.stdout) == (0, True)
    *present, absent = devices
    sessions = [device.token.session_id for device in devices]
    for _ in range(2):
        assert {device.refresh().status_code for device in present} == {200}
    assert [device.token.session_id for device in devices] == sessions
    assert "3 tokens of 3 sessions" in server.run("recover", "status").stdout

    assert server.run("recover", "stop").returncode == 0
    assert refused_as(absent.refresh(), "temporarily_unavailable", 503)
    assert {device.refresh().status_code for device in present} == {200}
    assert "Ended 1 session." in server.run("recover", "stop", "--end-unseen", "--yes").stdout
    assert refused_as(absent.refresh(), "invalid_grant")
    assert {device.refresh().status_code for device in present} == {200}


def test_a_restore_keeps_the_old_database_and_says_what_comes_next(shell: Shell, place: Path, saved: Path):
    ((before,),) = shell.setup.sql("SELECT next_index FROM status_counter")
    shell.setup.database.dispose()
    done = shell.json("restore", str(saved), "--yes")
    assert done["next"] == ["authserver recover start", "authserver serve", "authserver doctor"]
    assert (has_user(place, "later"), has_user(Path(done["kept"]), "later")) == (False, True)
    assert place.stat().st_mode & 0o777 == 0o600
    # A list's places may have been given to sessions whose rows are lost.
    ((after,),) = shell.setup.sql("SELECT next_index FROM status_counter")
    assert after >= before + 2**20
    # The kept one is a backup as well.
    shell.setup.database.dispose()
    shell.json("restore", done["kept"], "--yes")
    assert has_user(place, "later")


@pytest.mark.parametrize("damage", ["damaged", "removed", "whole"])
def test_a_log_that_was_left_is_not_written_into_the_restored_database(
    shell: Shell, place: Path, saved: Path, damage: str
):
    log = place.with_name(place.name + "-wal")
    with closing(sqlite3.connect(place, isolation_level=None)) as used:
        used.execute("PRAGMA journal_mode = WAL")
        used.execute("UPDATE users SET username = 'in the log'")
        left = {path: path.read_bytes() for path in (place, log)}
    for path, contents in left.items():  # as after a power cut: the last connection has not taken the log in
        path.write_bytes(contents)
    if damage == "removed":
        place.unlink()
    elif damage == "damaged":
        place.write_bytes(b"\0" * 4096 + left[place][4096:])
    kept = shell.json("restore", str(saved), "--yes")["kept"]
    assert not log.exists()
    assert not has_user(place, "in the log")
    assert (kept is None) == (damage == "removed")
    if damage == "whole":
        assert has_user(Path(kept), "in the log")


def test_what_is_no_backup_is_refused_and_changes_nothing(shell: Shell, place: Path, saved: Path, tmp_path: Path):
    foreign, newer, damaged = tmp_path / "foreign.db", tmp_path / "newer.db", tmp_path / "damaged.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE something (a)")
    shutil.copy(saved, newer)
    with closing(sqlite3.connect(newer, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    damaged.write_bytes(saved.read_bytes()[:-40_960] + b"\xff" * 40_960)
    tmp_path.joinpath("text.db").write_text("no database")
    wrong = {foreign: "no database of authserver", newer: "newer version", damaged: "", tmp_path / "text.db": ""}
    for file, said in wrong.items():
        assert said in shell.refused("restore", str(file), "--yes")
    assert "the database itself" in shell.refused("restore", str(place), "--yes")
    assert "the database itself" in shell.refused("backup", str(place))
    assert "give --yes" in shell.refused("restore", str(saved))
    assert has_user(place, "later")
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_an_older_backup_is_restored_and_has_to_be_upgraded(shell: Shell, place: Path, tmp_path: Path):
    old = tmp_path / "old.db"
    settings = shell.setup.with_settings(database=DatabaseSettings(url=SecretStr(f"sqlite:///{old}")))
    database = open_database(Flask("old"), settings)
    schema.upgrade(database, "0006")
    database.dispose()
    assert shell.json("restore", str(old), "--yes")["next"][0] == "authserver db upgrade"
    assert shell.run("db", "upgrade").returncode == 0
    assert shell.json("recover", "status") == {"on": False}


def test_a_log_beside_the_name_of_a_backup_is_not_written_into_it(shell: Shell, place: Path, saved: Path):
    for ending in ("-wal", "-journal", "-shm"):
        saved.with_name(saved.name + ending).write_bytes(b"left by a copy of another day")
    shell.json("backup", str(saved))
    assert [path.name for path in saved.parent.glob("saved.db*")] == ["saved.db"]


def test_a_recovery_that_was_on_in_the_backup_is_over_after_the_restore(shell: Shell, saved: Path):
    shell.json("recover", "start")
    shell.json("backup", str(saved))
    shell.json("restore", str(saved), "--yes")
    assert shell.json("recover", "status")["on"] is False


def test_a_backup_replaces_a_file_only_when_it_is_whole(shell: Shell, place: Path, saved: Path):
    before = saved.read_bytes()
    place.write_bytes(place.read_bytes()[:-8192] + b"\xff" * 8192)
    shell.refused("backup", str(saved))
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.glob("*saved.db*")] == ["saved.db"]


def test_a_copy_is_of_one_moment_and_writes_do_not_begin_it_anew(tmp_path: Path):
    source, draft, steps = tmp_path / "source.db", tmp_path / "draft.db", []
    draft.touch()
    with closing(sqlite3.connect(source, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE pair (a INTEGER, b INTEGER)")
        writer.execute("INSERT INTO pair VALUES (0, 0)")
        writer.execute("CREATE TABLE ballast (bytes BLOB)")
        writer.executemany("INSERT INTO ballast VALUES (?)", [(b"x" * 4_000_000,)] * 6)

        def write_between(done: int, total: int) -> None:
            steps.append(done)
            writer.execute("UPDATE pair SET a = a + 1, b = b + 1")
            assert len(steps) <= 10, "a write began the copy anew"

        files.copy(source, draft, write_between)
        assert writer.execute("SELECT a FROM pair").fetchone()[0] == len(steps)
    assert len(steps) >= 5
    with closing(sqlite3.connect(draft)) as copied:
        assert copied.execute("SELECT a, b FROM pair").fetchone() == (0, 0)
        assert copied.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft.db", "source.db"]


@on_postgresql
def test_backup_and_restore_are_for_sqlite_and_say_what_postgresql_has(shell: Shell, tmp_path: Path):
    file = tmp_path / "file.db"
    file.touch()
    for command in (("backup", str(file)), ("restore", str(file), "--yes")):
        assert "pg_dump" in shell.refused(*command)
