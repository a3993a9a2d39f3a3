"""First-party and third-party clients, from the command line."""

from __future__ import annotations

import json

from tests.support.server import LiveServer
from tests.support.setup import Setup


def test_an_app_of_somebody_else_never_gets_the_password_grant(setup: Setup):
    run = LiveServer(setup).run
    named = ("clients", "add", "--kind", "web", "--name", "Shop", "--scope", "read", "--json")
    own = run(*named, "--allow-password-grant", "--redirect-uri", "https://shop.example.com/back")
    assert own.returncode == 0, own.stderr
    assert json.loads(own.stdout)["redirect_uris"] == ["https://shop.example.com/back"]
    foreign = run(*named, "--allow-password-grant", "--third-party")
    assert foreign.returncode == 1
    assert "first-party apps only" in foreign.stderr
    without = run(*named, "--third-party", "--contact", "shop@example.org")
    assert json.loads(without.stdout)["first_party"] is False


def test_an_edit_of_something_else_keeps_what_a_client_is(setup: Setup):
    run = LiveServer(setup).run
    for whose in ("--first-party", "--third-party"):
        made = json.loads(run("clients", "add", "--kind", "web", "--name", "Shop", whose, "--json").stdout)
        edited = json.loads(run("clients", "edit", made["client_id"], "--name", "Store", "--json").stdout)
        assert edited["name"] == "Store"
        assert edited["first_party"] is made["first_party"] is (whose == "--first-party")
