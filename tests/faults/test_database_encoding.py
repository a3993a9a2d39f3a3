"""A database that is not UTF-8 is refused with the name of its encoding: by commands, the server and readiness."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database.engine import open_database
from authserver.settings.values import DatabaseSettings
from tests.support.health import a_node, problem
from tests.support.postgres import postgres_or_skip
from tests.support.setup import Setup
from tests.support.shell import Shell

pytestmark = pytest.mark.postgresql


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def foreign(request: pytest.FixtureRequest, setup: Setup) -> Iterator[Setup]:
    """A setup whose URL leads to an empty database of another encoding."""
    server = postgres_or_skip()
    url = server.create_database(encoding=request.param)
    before = setup.settings
    setup.settings = setup.with_settings(database=DatabaseSettings(url=SecretStr(url)))
    yield setup
    setup.settings = before
    server.drop_database(url)


@pytest.mark.parametrize(
    "command", [["db", "upgrade"], ["clients", "list"], ["users", "list"], ["serve"]], ids=" ".join
)
def test_every_command_refuses_it_in_one_line_that_names_the_encoding(
    foreign: Setup, request: pytest.FixtureRequest, command: list[str]
):
    """Once they ended with a traceback (SQL_ASCII), or a name that it cannot hold was a 500 (LATIN1)."""
    done = Shell(foreign).run(*command)
    assert done.returncode == 1
    encoding = request.node.callspec.params["foreign"]
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning")]
    assert line.startswith(f"error: the database cannot be used: the database has the encoding {encoding}, and must ha")
    assert "ENCODING 'UTF8' TEMPLATE template0" in line


def test_the_doctor_and_readiness_name_the_encoding(foreign: Setup, request: pytest.FixtureRequest):
    encoding = request.node.callspec.params["foreign"]
    findings = json.loads(Shell(foreign).run("doctor", "--json", "--severity", "error").stdout)
    assert [encoding in one["reason"] for one in findings if one["check"] == "node.database-away"] == [True]
    foreign.database.dispose()
    foreign.database = open_database(Flask("foreign"), foreign.settings)
    try:
        assert problem(a_node(foreign)) == f"the database has the encoding {encoding}, and must have UTF8"
    finally:
        foreign.database.dispose()
