"""A program that prints as JSON where a server shows the toys that `tests/docs/test_recipes.py` added to it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner

import authserver
from authserver.administration import clients
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.app import create_app
from authserver.cli.command import command
from authserver.clients.registration import fill
from tests.support.console import an_administrator, browser
from tests.support.setup import Setup, make_setup

TOYS = ("toy", "toy_word")


def main() -> None:
    """Make a server in the folder of the first argument, and print where it shows the toys."""
    setup = make_setup("sqlite", Path(sys.argv[1]))
    setup.an_api()
    sys.stdout.write(json.dumps(look(setup)))


def look(setup: Setup) -> dict[str, Any]:
    """Where the server shows the toys, and whether they work."""
    toy = fill(
        "service", name="Play", client_id="play", grants=frozenset({"toy"}), auth_methods=frozenset({"toy_word"})
    )
    admin = Administration(setup.database, setup.settings, "test")
    warnings = clients.add(admin, toy).warnings
    refused: list[str] = []
    try:
        clients.add(admin, replace(toy, client_id="public", auth_methods=frozenset({"none"})))
    except Invalid as refusal:
        refused = [problem.line for problem in refusal.problems]
    app = create_app(setup.settings)
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=setup.settings.issuer) as http:
        form = {"grant_type": "toy", "client_id": "play", "word": "please"}
        answers = {
            "server": str(Path(authserver.__file__).parent),
            "warnings": [warning.line for warning in warnings],
            "refused_without_a_secret": refused,
            "token": http.post("/token", data=form).status_code,
            "token_with_a_wrong_word": http.post("/token", data={**form, "word": "now"}).json()["error"],
            "metadata": http.get("/.well-known/oauth-authorization-server").json(),
            "toy_endpoint": http.get("/toy").text,
        }
    with browser(setup, app) as visitor:
        visitor.sign_in(an_administrator(setup))
        page = visitor.get("/admin/clients/add/service").text
        document = json.dumps(visitor.get("/admin/api/openapi.json").json()["components"])
    shown = CliRunner().invoke(command, ["clients", "add", "--help"]).output
    return {
        **answers,
        "console": {name: f'value="{name}"' in page for name in TOYS},
        "admin_api": {name: f'"{name}"' in document for name in TOYS},
        "command_line": {name: name in shown for name in TOYS},
    }


if __name__ == "__main__":
    main()
