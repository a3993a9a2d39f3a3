"""`authserver doctor` as people and scheduled jobs run it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from authserver.settings.values import PasswordSettings
from tests.support.forked import authserver
from tests.support.server import LiveServer
from tests.support.setup import Setup


def doctor(setup: Setup, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    setup.settings = setup.with_settings(passwords=PasswordSettings())
    ours = {"AUTHSERVER_METRICS__TOKEN": "0123456789abcdef", "AUTHSERVER_PASSWORDS__MIN_LENGTH": "15"}
    environment = {**LiveServer(setup, port=8000).environment(), **ours}
    return authserver("doctor", *arguments, environment={**environment, **environ})


def healthy(setup: Setup) -> None:
    setup.key_rotation().ensure()
    Path(str(setup.settings.database_url.database)).chmod(0o600)
    setup.an_app(client_id="job", grants={"client_credentials"})
    row = setup.a_person(username="anna", roles="administrator")
    setup.sql(
        "UPDATE users SET password_hash = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA' WHERE username = 'anna'"
    )
    assert row.username == "anna"


def test_a_healthy_setup_is_told_so_with_status_0(setup: Setup):
    healthy(setup)
    done = doctor(setup)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Nothing was found that deserves attention.\n", "")
    assert doctor(setup, "--json").stdout == "[]\n"


def test_findings_are_printed_with_reason_and_command_and_status_1(setup: Setup):
    healthy(setup)
    setup.an_app(client_id="shop", sends_user_address=True)
    done = doctor(setup)
    assert done.returncode == 1
    assert "authserver clients edit --remove-grant password shop" in done.stdout
    assert done.stdout.endswith("1 warning.\n")
    (one,) = json.loads(doctor(setup, "--json").stdout)
    assert {name: one[name] for name in ("check", "severity", "about", "subject", "command")} == {
        "check": "client.password-grant",
        "severity": "warning",
        "about": "client",
        "subject": "shop",
        "command": "authserver clients edit --remove-grant password shop",
    }


def test_notes_alone_leave_the_status_at_0(setup: Setup):
    healthy(setup)
    done = doctor(setup, AUTHSERVER_TOKENS__RETRY_WINDOW="0")
    assert (done.returncode, done.stdout.split()[-2:]) == (0, ["1", "note."])


def test_what_is_accepted_or_less_grave_is_left_out_and_does_not_count(setup: Setup):
    healthy(setup)
    setup.an_app(client_id="shop", retry_window=0, sends_user_address=True)
    assert doctor(setup, "--severity", "error").returncode == 0
    done = doctor(setup, "--except", "client.password-grant", "--json")
    assert (done.returncode, [one["check"] for one in json.loads(done.stdout)]) == (0, ["client.no-retry-window"])


def test_a_database_that_is_away_is_a_finding_beside_those_of_the_settings(setup: Setup, tmp_path: Path):
    away = {"AUTHSERVER_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/nothing", "AUTHSERVER_LOG__LEVEL": "DEBUG"}
    done = doctor(setup, "--json", **away)
    assert done.returncode == 1
    assert [one["check"] for one in json.loads(done.stdout)] == ["node.database-away", "settings.log-level"]


def test_a_terminal_is_not_driven_by_the_names_of_users(setup: Setup):
    healthy(setup)
    setup.a_person(username="ber\u202eta")
    setup.sql("UPDATE users SET password_hash = NULL WHERE username <> 'anna'")
    done = doctor(setup)
    assert "ber\\u202eta" in done.stdout
    assert "\u202e" not in done.stdout


def test_it_needs_no_server_and_makes_nothing(tmp_path: Path):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    places = {"AUTHSERVER_DATA_DIR": str(tmp_path / "data"), "AUTHSERVER_KEY_DIR": str(tmp_path / "keys")}
    done = authserver("doctor", "--json", environment={**inherited, **places})
    assert [one["check"] for one in json.loads(done.stdout)] == [
        "node.database-missing",
        "settings.metrics",
        "settings.min-length",
    ]
    assert list(tmp_path.iterdir()) == []
