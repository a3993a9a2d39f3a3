"""Whole systems move in: a hundred thousand users in one command, and each user signs in with the old password."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.foreign_hashes import HASHES, PASSWORD
from tests.support.oauth import OAuth, Person
from tests.support.server import ROOT
from tests.support.setup import Setup
from tests.support.shell import COMMAND, Shell
from tests.support.users_file import measured, password_of, write_users

MANY = 100_000
SIGNING_IN = 500
#: The command takes about 95 MiB for a file of any size. If it held 100,000 users at once, it would take 150 MB more.
MOST_MEMORY_MB = 200
OUR_OWN = "$argon2id$v=19$m=8,t=1,p=1$"


@pytest.fixture
def shell(setup: Setup) -> Shell:
    return Shell(setup)


def count(setup: Setup) -> int:
    return int(setup.sql("SELECT count(*) AS n FROM users")[0].n)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_users_move_in_with_one_command_in_bounded_memory(
    shell: Shell, setup: Setup, oauth: OAuth, tmp_path: Path
):
    bad = (17, 50_000, 99_999)
    few, many, report = tmp_path / "few.csv", tmp_path / "many.csv", tmp_path / "report.jsonl"
    write_users(few, 10)
    status, _, little = measured(shell, "users", "import", str(few))
    assert status == 0
    write_users(many, MANY, bad=bad)
    status, output, most = measured(shell, "users", "import", str(many), "--report", str(report), "--json")
    tally = json.loads(output)
    assert (status, tally["lines"], tally["added"], tally["present"], tally["refused"]) == (1, MANY, MANY - 13, 10, 3)
    problems = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(problem["line"], problem["field"]) for problem in problems] == [(n + 2, "username") for n in bad]
    assert count(setup) == MANY - 3
    assert most < MOST_MEMORY_MB
    assert most - little < 60, "it holds one batch in memory, not the file"

    for number in random.sample([n for n in range(MANY) if n not in bad], SIGNING_IN):
        login = f"user {number}" if number % 2 else f"user.{number}@example.com"
        assert oauth.sign_in(Person("", login, password_of(number))).status_code == 200, number
    wrong = oauth.sign_in(Person("", "user 1", password_of(2)))
    assert wrong.status_code == 400, "no other password signs in"
    rehashed = setup.sql("SELECT count(*) AS n FROM users WHERE password_hash LIKE :own", own=OUR_OWN + "%")
    assert rehashed[0].n == SIGNING_IN

    status, output, most = measured(shell, "users", "export", "--output", str(tmp_path / "all.csv"))
    assert (status, output) == (0, "")
    assert (tmp_path / "all.csv").read_bytes().count(b"\r\n") == MANY - 3 + 1
    assert most < MOST_MEMORY_MB


def test_every_form_of_hash_signs_in_with_the_old_password_and_is_replaced(
    shell: Shell, setup: Setup, oauth: OAuth, tmp_path: Path
):
    file = tmp_path / "users.jsonl"
    users = {f"user {number}": made for number, made in enumerate(HASHES.values())}
    lines = [json.dumps({"username": name, "password_hash": made}) for name, made in users.items()]
    file.write_text("\n".join(lines))
    assert shell.json("users", "import", str(file))["added"] == len(HASHES)
    for name, made in users.items():
        kept = stored(setup, name)
        assert oauth.sign_in(Person("", name, PASSWORD + "x")).status_code == 400, made
        assert stored(setup, name) == kept, "a wrong password replaces nothing"
        assert oauth.sign_in(Person("", name, PASSWORD)).status_code == 200, made
        assert stored(setup, name).startswith(OUR_OWN), made
        assert oauth.sign_in(Person("", name, PASSWORD)).status_code == 200, made


def stored(setup: Setup, name: str) -> str:
    return str(setup.sql("SELECT password_hash FROM users WHERE username = :name", name=name)[0].password_hash)


def test_an_import_that_was_killed_goes_on_when_it_is_run_again(shell: Shell, setup: Setup, tmp_path: Path):
    file = tmp_path / "users.csv"
    write_users(file, 2500)
    with subprocess.Popen(
        [*COMMAND, "users", "import", "-", "--format", "csv"], env=shell.environment, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b"".join(file.read_bytes().splitlines(keepends=True)[:1700]))
        process.stdin.flush()  # the rest never comes
        deadline = time.monotonic() + 60
        while count(setup) < 1000 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.stdin.close()
    there = count(setup)
    assert there in (1000, 1500), "whole batches"
    assert setup.events("users.imported") == []
    tally = shell.json("users", "import", str(file))
    assert (tally["added"], tally["present"], tally["refused"]) == (2500 - there, there, 0)
    assert count(setup) == 2500
    assert len(setup.events("user.imported")) == 2500, "one event for each user, from either run"


def test_bad_lines_are_printed_with_what_is_wrong_and_the_rest_is_imported(shell: Shell, setup: Setup, tmp_path: Path):
    file = tmp_path / "users.csv"
    file.write_text("username,password_hash,password\nanna,,\nb@d,,\ncarl,md5$abc$123,\ndora,,correct horse\n")
    dry = shell.run("users", "import", str(file), "--dry-run")
    assert (dry.returncode, count(setup)) == (1, 0)
    assert "Would add 2 users; 0 were there already; 2 lines refused." in dry.stdout
    done = shell.run("users", "import", str(file))
    assert done.returncode == 1
    assert done.stdout == "Added 2 users; 0 were there already; 2 lines refused.\n"
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert said == [
        "line 3: username: a user name has no @: names with one are e-mail addresses",
        (
            "line 4: password_hash: it is one fast digest of an old Django or Werkzeug: the password can be found in a "
            "moment; leave the cell empty, and give the user a new password (authserver users password-link)"
        ),
        "warning: 1 password stood in the file as plain text: delete the file and all its copies",
        "warning: 1 user came without a password, and cannot sign in before one is set",
    ]
    assert "correct horse" not in done.stderr + done.stdout
    again = shell.run("users", "import", "-", "--format", "csv", given="username\nanna\n")
    assert (again.returncode, again.stdout) == (0, "Added 0 users; 1 was there already; 0 lines refused.\n")


def test_a_cell_with_line_ends_is_read_as_one_and_a_file_with_a_broken_one_is_not_read_further(
    shell: Shell, setup: Setup, tmp_path: Path
):
    file = tmp_path / "users.csv"
    file.write_text('username,roles\n"x""\nroot2,administrator\n""y",\nanna,"editor\nwriter"\n"bob,\ncarl,\n')
    done = shell.run("users", "import", str(file))
    assert (done.returncode, done.stdout) == (1, "Added 1 user; 0 were there already; 2 lines refused.\n")
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert said[0].startswith("line 2: username: a user name has no control")
    assert said[1].startswith("line 7: line: is no CSV: a quotation mark is left open")
    assert said[2] == "warning: nothing after line 7 was read: mend it, and run the import again"
    (row,) = setup.sql("SELECT username, roles FROM users")
    assert (row.username, row.roles) == ("anna", "editor writer")


def test_a_file_whose_first_line_cannot_be_read_is_refused_with_the_reason(shell: Shell, tmp_path: Path):
    file = tmp_path / "users.csv"
    for text, said in (
        (b'username,"email\nanna,\n', "the first line is no CSV: a quotation mark is left open"),
        ("username,email\nanna,\n".encode("utf-16"), "the first line is not text in UTF-8, but looks like UTF-16"),
    ):
        file.write_bytes(text)
        assert said in shell.refused("users", "import", str(file))


def test_a_file_as_excel_writes_it_with_semicolons_is_imported(shell: Shell, setup: Setup, tmp_path: Path):
    file = tmp_path / "users.csv"
    file.write_bytes('\ufeffusername;email;enabled\r\nJürgen;j@example.com;TRUE\r\n"a;b";;FALSE\r\n'.encode())
    assert shell.json("users", "import", str(file))["added"] == 2
    assert {row.username for row in setup.sql("SELECT username FROM users")} == {"Jürgen", "a;b"}


def test_a_file_of_another_kind_prints_a_readable_number_of_problems(shell: Shell, tmp_path: Path):
    file = tmp_path / "users.jsonl"
    file.write_text("no JSON\n" * 200)
    done = shell.run("users", "import", str(file))
    assert done.stderr.count("is no JSON") == 50
    assert "… and 150 problems more (--report FILE has all of them)" in done.stderr
    assert "the ending of the file does not tell its format" in shell.refused("users", "import", "-")


def test_an_export_with_hashes_is_a_file_for_its_owner_alone(shell: Shell, setup: Setup, tmp_path: Path):
    setup.a_person(username="anna")
    target = tmp_path / "users.csv"
    target.write_text("what was there before, and readable to all")
    target.chmod(0o644)
    assert shell.run("users", "export", "--with-password-hashes", "--output", str(target)).returncode == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert '"anna","","","true","","$argon2id$' in target.read_text()
    plain = shell.run("users", "export")
    assert plain.stdout == '"username","email","roles","enabled","subject"\n"anna","","","true",""\n'
    (with_hashes, without) = (json.loads(row.detail)["with_password_hashes"] for row in setup.events("users.exported"))
    assert (with_hashes, without) == (True, False)


def on_a_terminal(shell: Shell, *arguments: str) -> str:
    """The output of a command on a terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], env=shell.environment, cwd=ROOT, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        os.close(leader)
    assert process.returncode == 0, seen
    return seen.decode()


def test_an_import_on_a_terminal_shows_its_progress_and_no_line_of_a_log(shell: Shell, tmp_path: Path):
    file = tmp_path / "users.csv"
    write_users(file, 1200)
    seen = on_a_terminal(shell, "users", "import", str(file))
    assert re.findall(r"lines: ([\d,]+)", seen) == ["500", "1,000", "1,200", "1,200"]
    assert "Added 1,200 users" in seen
    assert "user.imported" not in seen, "the log is for programs"


def test_commands_log_their_audit_events_for_what_collects_their_errors(shell: Shell):
    done = shell.run("users", "add", "anna", "--password-stdin", given="correct horse\n")
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["logger"], line["detail"]["username"]) == ("user.added", "authserver.audit", "anna")
    assert "correct horse" not in done.stderr


def test_the_audit_record_is_exported_as_json_lines(shell: Shell, setup: Setup):
    shell.run("users", "add", "anna", "--password-stdin", given="correct horse\n")
    shell.run("users", "disable", "anna")
    done = shell.run("audit", "export", "--event", "user", "--actor", "cli", "--since", "1d", USER="")
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["user.added", "user.disabled"], "oldest first"
    assert {line["outcome"] for line in lines} == {"done"}
    assert done.stderr == "Exported 2 events.\n"
    assert shell.run("audit", "export", "--event", "user", "--until", "1d").stdout == ""
    assert "there is no event" in shell.refused("audit", "export", "--event", "user.befriended")
