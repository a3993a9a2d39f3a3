"""The command as people and scripts run it: in a process of its own, on a database of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from authserver.refusals.reasons import Reason
from authserver.refusals.references import References, Refusal
from tests.support.databases import on_both_databases
from tests.support.forked import authserver
from tests.support.server import ROOT
from tests.support.setup import API, Setup
from tests.support.shell import COMMAND, Shell


@pytest.fixture
def shell(setup: Setup) -> Shell:
    return Shell(setup)


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a fresh machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    return {**inherited, "AUTHSERVER_DATA_DIR": str(tmp_path / "data"), "AUTHSERVER_KEY_DIR": str(tmp_path / "keys")}


def test_the_version_is_told_without_importing_the_server():
    """Importing every command took 1.1 seconds of CPU time; a shell's completion or a health check pays it each time."""
    script = (
        "import sys; from authserver.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'flask', 'pydantic', 'sqlalchemy', 'structlog'} & sys.modules.keys()))"
    )
    for argument, heavy in (("--version", []), ("--help", ["flask", "pydantic", "sqlalchemy", "structlog"])):
        done = subprocess.run([sys.executable, "-c", script, argument], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == str(heavy)


def test_a_client_is_registered_listed_edited_and_removed(shell: Shell):
    made = shell.json("clients", "add", "--kind", "web", "--id", "shop", "--name", "Shop", "--scope", "read write")
    assert made["client_secret"].startswith("ascs_")
    assert (made["grants"], made["scopes"]) == (["refresh_token"], ["read", "write"])
    shell.run("clients", "edit", "shop", "--remove-scope", "write", "--access-token-lifetime", "5m")
    (listed,) = shell.json("clients", "list")
    assert (listed["scopes"], listed["access_token_lifetime"]) == (["read"], 300)
    assert shell.run("clients", "remove", "shop", "--yes").returncode == 0
    assert shell.json("clients", "list") == []


def test_a_secret_is_shown_once_and_never_again(shell: Shell):
    secret = shell.json("clients", "add", "--kind", "service", "--id", "job", "--name", "Job")["client_secret"]
    shown = [shell.run("clients", "show", "job"), shell.run("clients", "list", "--json"), shell.run("audit", "list")]
    assert not any(secret in done.stdout + done.stderr for done in shown)
    assert shell.json("clients", "rotate-secret", "job")["client_secret"] != secret


def test_the_password_grant_comes_with_a_warning(shell: Shell):
    done = shell.run("clients", "add", "--kind", "web", "--name", "Shop", "--scope", "read", "--allow-password-grant")
    assert done.returncode == 0
    assert "RFC 9700 section 2.4" in done.stderr


def test_every_problem_of_a_registration_is_one_line(shell: Shell):
    said = shell.refused(
        "clients", "add", "--kind", "mobile", "--id", "no good", "--name", "N", "--scope", "unheard-of"
    )
    assert len(said.splitlines()) == 2
    assert "authserver apis add" in said


def test_a_password_comes_from_standard_input_and_signs_in(shell: Shell, setup: Setup):
    made = shell.json("users", "add", "anna", "--email", "anna@example.com", given="correct horse\n")
    assert (made["username"], made["roles"]) == ("anna", [])
    (row,) = setup.sql("SELECT password_hash FROM users WHERE username = 'anna'")
    assert setup.hasher.verify("correct horse", row.password_hash).matches


def test_a_password_is_asked_for_twice_on_a_terminal_and_not_shown(shell: Shell, setup: Setup):
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "users", "add", "anna"],
        env=shell.environment, stdin=other_end, stdout=other_end, stderr=other_end, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    os.close(other_end)
    seen = b""
    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        while not seen.endswith(prompt):
            seen += os.read(terminal, 1024)
        os.write(terminal, b"correct horse\n")
    try:
        while chunk := os.read(terminal, 1024):
            seen += chunk
    except OSError:
        pass  # Linux says so when the other end is closed
    os.close(terminal)
    assert process.wait() == 0
    assert b"correct horse" not in seen
    assert setup.sql("SELECT username FROM users") == [("anna",)]


@pytest.mark.parametrize(("option", "value"), [("--kind", "web"), ("--name", "Shop")])
def test_a_client_without_its_kind_or_name_is_wrong_usage(shell: Shell, option: str, value: str):
    done = shell.run("clients", "add", option, value)
    assert done.returncode == 2
    assert f"Missing option '{'--name' if option == '--kind' else '--kind'}'" in done.stderr
    assert shell.json("clients", "add", "--kind", "web", "--name", "Shop")["name"] == "Shop"


@pytest.mark.parametrize(("given", "said"), [("", "no password"), ("short\n", "8 to 256 characters, not 5")])
def test_a_password_that_is_missing_or_too_short_is_refused(shell: Shell, given: str, said: str):
    assert said in shell.refused("users", "add", "anna", given=given)


def test_a_change_that_signs_people_out_is_not_made_without_an_answer(shell: Shell, setup: Setup):
    client_id = setup.an_app().client_id
    assert "--yes" in shell.refused("clients", "disable", client_id)
    assert shell.json("clients", "show", client_id)["enabled"] is True


def test_an_api_is_registered_bound_to_a_role_and_removed(shell: Shell):
    other = "https://other.example.com"
    made = shell.json("apis", "add", other, "--scope", "reports", "--bind", "reports", "analyst")
    assert made["scopes"] == [{"scope": "reports", "roles": ["analyst"]}]
    assert "belongs to" in shell.refused("apis", "edit", API, "--add-scope", "reports")
    assert shell.json("apis", "remove", other, "--yes")["removed"] is True


def test_a_reference_is_explained_with_what_the_database_knows(shell: Shell, setup: Setup):
    app = setup.an_app()
    vault = setup.key_rotation()._vault
    reference = References(vault.reference_key()).seal(Refusal(Reason.CLIENT_DISABLED, 1, app.client_id))
    explained = shell.json("why", reference)
    assert (explained["reason"], explained["client_enabled"]) == ("client_disabled", True)
    assert explained["at"] == "1970-01-01T00:00:00.001Z"
    assert "no reference in this text" in shell.refused("why", reference[:-4])
    assert "not a reference" in shell.refused("why", reference[:-4] + "AAAA")


def test_a_reference_is_explained_while_the_database_is_away(shell: Shell, setup: Setup):
    reference = References(setup.key_rotation()._vault.reference_key()).seal(Refusal(Reason.DATABASE_UNAVAILABLE, 1))
    done = shell.run("why", reference, AUTHSERVER_DATABASE__URL="postgresql://u:p@127.0.0.1:1/nowhere")
    assert done.returncode == 0
    assert "could not be reached" in done.stdout
    assert "cannot be used now" in done.stderr


def test_the_audit_record_names_who_acted(shell: Shell):
    shell.run("users", "add", "anna", given="correct horse\n")
    (event,) = shell.json("audit", "list", "--event", "user", "--since", "15m")
    assert (event["event"], event["actor"].split(":")[0]) == ("user.added", "cli")
    assert "there is no event" in shell.refused("audit", "list", "--event", "user.befriended")


def test_what_comes_from_outside_cannot_drive_the_terminal(shell: Shell, setup: Setup):
    setup.a_person(username="mallory")
    setup.sql("UPDATE users SET email = :email", email="\x1b]0;owned\x07@x")
    done = shell.run("users", "list")
    assert "\x1b" not in done.stdout
    assert r"\x1b]0;owned\x07@x" in done.stdout


def test_pruning_says_what_it_deleted(shell: Shell):
    pruned = shell.json("prune")
    assert (pruned["sessions"], pruned["finished"]) == (0, True)


@on_both_databases
def test_pruning_stops_after_the_batch_under_way_when_it_is_interrupted(shell: Shell, setup: Setup):
    # While this transaction lasts, the command waits for a lock, so it cannot have finished before the signal.
    with setup.database.transaction() as connection:
        if setup.kind == "postgresql":
            connection.execute(text("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE"))
        process = subprocess.Popen(
            [*COMMAND, "prune", "--json"],
            env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not _catches(Path(f"/proc/{process.pid}/status"), signal.SIGTERM):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, json.loads(output)["finished"], errors) == (130, False, "")


def _catches(status: Path, number: int) -> bool:
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_an_unreachable_database_is_one_line_without_its_password(shell: Shell):
    said = shell.refused("clients", "list", AUTHSERVER_DATABASE__URL="postgresql://u:hunter2@127.0.0.1:1/x")
    assert "the database cannot be used" in said
    assert "hunter2" not in said


def test_each_wrong_setting_is_one_line(shell: Shell):
    said = shell.refused("settings", "check", AUTHSERVER_SERVER__PORT="0", AUTHSERVER_SERVR__PORT="1")
    assert len(said.splitlines()) == 2


def test_a_check_of_the_settings_says_what_it_ignored_and_why(shell: Shell):
    environ = {"AUTHSERVER_DB_PORT_5432_TCP_ADDR": "10.0.0.2", "AUTHSERVER_METRICS__TOKEN": ""}
    done = shell.run("settings", "check", **environ)
    assert done.returncode == 0
    assert "ignored: AUTHSERVER_DB_PORT_5432_TCP_ADDR: not a setting: Kubernetes" in done.stderr
    assert "ignored: AUTHSERVER_METRICS__TOKEN: empty, so it counts as not set" in done.stderr
    told = json.loads(shell.run("settings", "check", "--json", **environ).stdout)
    assert len(told["ignored"]) == 2


def test_settings_are_shown_with_their_source_and_secrets_are_masked(shell: Shell):
    rows = {row["name"]: row for row in shell.json("settings", "show")}
    assert rows["database.url"] == {
        "name": "database.url", "value": "********", "source": "AUTHSERVER_DATABASE__URL",
    }  # fmt: skip


def test_a_fresh_machine_is_told_what_to_do_first(bare: dict[str, str], tmp_path: Path):
    refused = authserver("clients", "list", environment=bare)
    assert (refused.returncode, "authserver db upgrade" in refused.stderr) == (1, True)
    assert not (tmp_path / "data").exists()
    assert "to 0" in authserver("db", "upgrade", environment=bare).stdout
    assert "up to date" in authserver("db", "upgrade", environment=bare).stdout
    assert "authserver clients add" in authserver("clients", "list", environment=bare).stdout


@pytest.mark.parametrize("command", [("users", "add"), ("users", "set-password"), ("admin", "create")])
def test_a_missing_database_is_told_before_a_password_is_read(bare: dict[str, str], command: tuple[str, str]):
    refused = authserver(*command, "anna", environment=bare)
    assert (refused.returncode, "there is no database" in refused.stderr) == (1, True)


def test_a_file_that_is_no_database_is_one_line(bare: dict[str, str], tmp_path: Path):
    (tmp_path / "junk.db").write_text("not a database" * 100)
    done = authserver(
        "clients", "list", environment={**bare, "AUTHSERVER_DATABASE__URL": f"sqlite:///{tmp_path}/junk.db"}
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_production_is_not_upgraded_by_a_node_that_starts(bare: dict[str, str], tmp_path: Path):
    production = {
        **bare,
        "AUTHSERVER_ENVIRONMENT": "production",
        "AUTHSERVER_ISSUER": "https://auth.example.com",
        "AUTHSERVER_MASTER_KEY": "A" * 43,
        "AUTHSERVER_DATABASE__URL": f"sqlite:///{tmp_path}/fresh.db",
    }
    done = authserver("serve", environment=production)
    assert done.returncode == 1
    assert "authserver db upgrade" in done.stderr
    assert not (tmp_path / "fresh.db").exists()


@pytest.mark.parametrize("arguments", [["-h"], ["clients", "add", "--help"], ["keys", "rotate", "-h"]])
def test_help_costs_no_settings_and_no_database(bare: dict[str, str], arguments: list[str]):
    done = authserver(*arguments, environment={**bare, "AUTHSERVER_SERVER__PORT": "nonsense"})
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: authserver")


def test_wrong_usage_is_status_2(bare: dict[str, str]):
    assert authserver("clients", "frobnicate", environment=bare).returncode == 2
