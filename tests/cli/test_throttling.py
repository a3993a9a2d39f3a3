"""`authserver throttling`: what the command shows, and that a lift lets the user in at once, on a live server."""

from __future__ import annotations

import pytest

from tests.support.oauth import OAuth, Person
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.shell import Shell

FREE = 10


@pytest.fixture
def shell(setup: Setup) -> Shell:
    setup.key_rotation().ensure()
    assert setup.settings.master_key_file.exists()
    return Shell(setup)


def test_a_lift_lets_a_user_in_at_once_who_has_failed_ten_times(live: LiveServer, setup: Setup):
    shell, person = Shell(setup), setup.a_person()
    with live.http() as http:
        oauth = OAuth(http, setup.an_app(public=True))
        wrong = Person("", person.username, "wrong password")
        assert [oauth.sign_in(wrong).status_code for _ in range(FREE)] == [400] * FREE
        setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3")
        refused = oauth.sign_in(person)
        assert refused.status_code == 429
        why = shell.run("why", refused.json()["reference"]).stdout
        assert "authserver throttling lift --user NAME --address ADDRESS" in why
        named = ("--user", person.username, "--address", "127.0.0.1")
        shown = {one["count"]: one for one in shell.json("throttling", "show", *named)}
        assert shown["place"]["of"] == f"{person.username}, 127.0.0.0/24"
        assert shown["place"]["next_attempt_at"] is not None
        assert shown["strangers"]["in_a_row"] == FREE
        delays = {one["count"]: one["delayed"] for one in shell.json("throttling", "show")}
        assert delays["place"] == 1
        lifted = shell.run("throttling", "lift", *named)
        assert lifted.returncode == 0
        assert lifted.stdout.startswith("Emptied these counts:")
        assert f"{FREE} of 100" in lifted.stdout
        assert oauth.sign_in(person).status_code == 200
    assert "No attempts are counted there." in shell.run("throttling", "show", "--user", person.username).stdout
    (event,) = setup.events("throttle.lifted")
    assert event.actor.startswith("cli:")


def test_the_command_says_so_where_nothing_is_counted(shell: Shell, setup: Setup):
    assert shell.run("throttling", "show").stdout == "Nothing is delayed.\n"
    assert shell.run("throttling", "show", "--user", "anna").stdout == "No attempts are counted there.\n"
    assert shell.run("throttling", "lift", "--user", "anna").stdout.endswith("; nothing was changed.\n")
    assert shell.json("throttling", "lift", "--address", "192.0.2.1") == []
    assert setup.events("throttle.lifted") == []


def test_a_lift_that_names_no_counts_is_refused(shell: Shell):
    assert "say whose counts" in shell.refused("throttling", "lift")
    assert "give the address too" in shell.refused("throttling", "show", "--client", "shop")
