"""A cell of an imported file cannot make an administrator, for example a user's own name in the old system."""

from __future__ import annotations

from typing import Any

import pytest

from authserver.administration.csv_records import LONGEST
from tests.support.admin_api import AdminApi, a_program
from tests.support.oauth import OAuth
from tests.support.setup import Setup

ROOT = b"root2,,administrator"
#: Cells that are quoted correctly: one record, which is refused for its name only.
IN_MARKS = [
    b'"x""\n' + ROOT + b'\n""y"',
    b'"x\n' + ROOT + b'\ny"',
    b'"x\r\n' + ROOT + b'\r\ny"',
    b'"x\r' + ROOT + b'\ry"',
    b'"\n' + ROOT + b'\n"',
    b'"x\xe4\n' + ROOT + b'\ny"',
    '"x\u2028'.encode() + ROOT + '\u2028y"'.encode(),
    b'"x\x00\n' + ROOT + b'\ny"',
    b'"' + b"\n" * 5000 + ROOT + b'\ny"',
]
#: Cells whose end is ambiguous or too far away.
BROKEN = [
    b'x"\n' + ROOT + b'\n"',
    b' "x\n' + ROOT + b'\ny"',
    b'"x" "\n' + ROOT + b'\ny"',
    b'x"y,"\n' + ROOT + b'\n",y"',
    b"x\r" + ROOT + b"\ry",
    b'"x\n' + ROOT + b"\ny",
    b'"' + b"x" * 20_000 + b"\n" + ROOT + b'\n"',
    b"x" * 20_000 + b"\n" + ROOT + b"\n",
]


@pytest.fixture
def api(setup: Setup, oauth: OAuth) -> AdminApi:
    return a_program(setup, oauth.http)


def imported(api: AdminApi, cell: bytes, *, dry_run: bool = False) -> dict[str, Any]:
    response = api.send(
        "POST",
        "/users/import",
        content=b"username,email,roles\nbefore,,\n" + cell + b",x@example.com,\nafter,,\n",
        headers={"Content-Type": "text/csv"},
        params={"dry_run": dry_run},
    )
    assert response.status_code == 200, response.text
    report: dict[str, Any] = response.json()
    return report


def names(setup: Setup) -> set[str]:
    return {row.username for row in setup.sql("SELECT username FROM users")}


def test_a_file_makes_users_of_its_records_with_the_roles_that_they_name(api: AdminApi, setup: Setup):
    """The cells of the attacks would make this administrator if they were records."""
    assert imported(api, ROOT + b'\n"y"')["added"] == 4
    assert names(setup) == {"before", "root2", "y", "after"}


@pytest.mark.parametrize("cell", IN_MARKS, ids=range(len(IN_MARKS)))
def test_no_user_is_made_of_the_inside_of_a_cell(api: AdminApi, setup: Setup, cell: bytes):
    assert imported(api, b'"x"', dry_run=True)["added"] == 3
    report = imported(api, cell)
    assert names(setup) == {"before", "after"}
    assert [problem["line"] for problem in report["problems"]] == [3]
    assert (report["lines"], report["added"], report["refused"], report["stopped_at"]) == (3, 2, 1, None)


@pytest.mark.parametrize("cell", BROKEN, ids=range(len(BROKEN)))
def test_no_user_is_made_of_what_follows_a_broken_record(api: AdminApi, setup: Setup, cell: bytes):
    assert imported(api, b'"x"', dry_run=True)["added"] == 3
    report = imported(api, cell)
    assert names(setup) == {"before"}
    assert [(problem["line"], problem["field"]) for problem in report["problems"]] == [(3, "line")]
    assert (report["lines"], report["added"], report["refused"], report["stopped_at"]) == (2, 1, 1, 3)


def test_no_user_is_made_of_the_end_of_a_long_line_of_json_behind_a_byte_order_mark(api: AdminApi, setup: Setup):
    """Once the reader measured such a line without its mark, took it for a whole one, and read on in its middle."""
    root = b'{"username": "root2", "roles": ["administrator"]}'
    for before, added in ((b"\n", 1), (b'{"username": "', 0)):
        body = b"\xef\xbb\xbf" + before.rjust(LONGEST - 3) + root + b"\n"
        response = api.send("POST", "/users/import", content=body, headers={"Content-Type": "application/jsonl"})
        assert (response.status_code, response.json()["added"]) == (200, added)
        setup.sql("DELETE FROM users")
