"""The doctor says at how many names strangers have met the limit of failures in a row, and which command helps."""

from __future__ import annotations

import pytest

from authserver.administration.doctor import Severity
from authserver.settings.values import ThrottlingSettings
from authserver.throttling.policy import DAY
from authserver.throttling.throttle import Throttle
from tests.support.commands import parse, run
from tests.support.databases import on_both_databases
from tests.support.healthy import admin, findings
from tests.support.setup import Setup

pytestmark = on_both_databases
LIMIT = 3


def strangers_fail(setup: Setup, name: str, times: int) -> None:
    counts = admin(setup).counts
    throttle = Throttle(counts.counters, counts.rules, counts.slots)
    for number in range(times):
        throttle.charge(throttle.sign_in(name, f"192.0.{number}.7", None))


@pytest.fixture
def few(healthy: Setup) -> Setup:
    """A healthy setup with a small limit."""
    healthy.settings = healthy.with_settings(throttling=ThrottlingSettings(strangers_in_a_row=LIMIT, longest_delay=600))
    return healthy


def test_names_at_the_limit_are_numbered_until_a_day_has_halved_their_failures(setup: Setup, few: Setup):
    strangers_fail(few, "anna", LIMIT - 1)
    strangers_fail(few, "berta", 1)
    assert findings(few) == [], "no name is at the limit"
    strangers_fail(few, "anna", 1)
    (one,) = findings(few)
    assert (one.check, one.severity, one.subject) == ("counts.strangers-in-a-row", Severity.NOTE, "1 name")
    assert "at least 3 times in a row" in one.reason
    assert "waits 600 s" in one.reason
    strangers_fail(few, "a name that no user has", LIMIT)
    few.sql("UPDATE throttle_strangers SET charged_at = charged_at - 600000")
    (one,) = findings(few)
    assert one.subject == "2 names", "the next attempt there delays the others, though none is delayed now"
    few.sql("UPDATE throttle_strangers SET halved_at = halved_at - :day", day=DAY)
    assert findings(few) == []


def test_the_command_of_the_finding_lifts_it(setup: Setup, few: Setup, monkeypatch: pytest.MonkeyPatch):
    strangers_fail(few, "anna", LIMIT)
    (one,) = findings(few)
    for command in ("authserver throttling show --user USER", "authserver users password-link USER"):
        assert parse(command)
        assert command.removeprefix("authserver ").split(" --")[0] in one.reason
    assert run(few, monkeypatch, str(one.command).replace("USER", "berta")) == 0
    assert len(findings(few)) == 1, "it was another name's count"
    assert run(few, monkeypatch, str(one.command).replace("USER", "anna")) == 0
    assert findings(few) == []


def test_looking_makes_no_secret_and_a_wrong_master_key_hides_nothing_else(setup: Setup, few: Setup):
    assert findings(few) == []
    assert few.sql("SELECT name FROM secrets WHERE name = 'throttling'") == []
    strangers_fail(few, "anna", LIMIT)
    few.settings.master_key_file.write_text("A" * 43 + "\n")
    assert [one.check for one in findings(few)] == ["node.master-key"]


def test_a_count_that_is_switched_off_has_no_limit(setup: Setup, few: Setup):
    strangers_fail(few, "anna", LIMIT)
    assert len(findings(few)) == 1
    few.settings = few.with_settings(throttling=ThrottlingSettings(strangers_in_a_row=0))
    assert findings(few) == []
