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
