"""`authserver keys`: list, rotate, mark as leaked, and what the command says about the cost."""

from __future__ import annotations

import pytest

from tests.support.setup import Setup
from tests.support.shell import Shell


@pytest.fixture
def shell(setup: Setup) -> Shell:
    return Shell(setup)


def test_keys_are_listed_rotated_and_marked_as_leaked(shell: Shell, setup: Setup):
    setup.key_rotation().ensure()
    assert "wait" in shell.refused("keys", "rotate")
    rotated = shell.json("keys", "rotate", "--now")["keys"]
    assert [key["state"] for key in rotated] == ["retired", "active", "next"]
    leaked = shell.run("keys", "leaked", str(rotated[0]["id"]), "--yes")
    assert leaked.returncode == 0
    assert "the retired signing key:\n  It is gone at once. Its access tokens are refused" in leaked.stderr
    assert rotated[0]["id"] not in [key["id"] for key in shell.json("keys", "list")]
    assert shell.json("keys", "rewrap") == {"keys": 0}


def test_before_all_keys_are_marked_as_leaked_the_command_says_what_it_costs(shell: Shell, setup: Setup):
    setup.key_rotation().ensure()
    refused = shell.run("keys", "leaked", "--all").stderr
    for cost in ("within 300 s (keys.jwks_max_age)", "Apps refresh", "Every session goes on", "proves no theft"):
        assert cost in refused
    assert "Mark every key as leaked? This cannot be undone." in refused
    marked = shell.json("keys", "leaked", "--all", "--yes")["keys"]
    assert len(marked) == 6
    assert all(key["leaked"] and key["costs"] for key in marked)
    assert "Give the id of a key, or --all." in shell.run("keys", "leaked").stderr


def test_keys_without_their_master_key_are_refused_and_no_new_one_is_made(shell: Shell, setup: Setup):
    assert "there is no master key" in shell.refused("keys", "rotate")
    assert not setup.settings.master_key_file.exists()
