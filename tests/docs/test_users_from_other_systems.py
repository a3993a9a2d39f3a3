"""The examples of docs/users-from-other-systems.md are imported as they stand, and their users sign in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from authserver.administration.context import Administration
from tests.support.importing import import_text
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup

PAGE = (Path(__file__).parents[2] / "docs" / "users-from-other-systems.md").read_text()
EXAMPLES = re.findall(r"^```json\n([^\n]+)\n```\n\nThe password of the example is `([^`]+)`", PAGE, re.MULTILINE)


def test_each_json_line_of_the_page_is_an_example_with_its_password():
    assert len(EXAMPLES) == PAGE.count("```json") == 8


@pytest.mark.parametrize(("line", "password"), EXAMPLES, ids=[json.loads(line)["username"] for line, _ in EXAMPLES])
def test_an_example_is_imported_and_its_user_signs_in(oauth: OAuth, setup: Setup, line: str, password: str):
    admin = Administration(setup.database, setup.settings, "cli:tester")
    tally, problems = import_text(admin, line, "jsonl")
    assert (tally.added, problems) == (1, [])
    user = Person("", json.loads(line)["username"], password)
    assert refused_as(oauth.sign_in(Person("", user.username, password + "x")), "invalid_grant")
    assert oauth.sign_in(user).status_code == 200
    assert oauth.sign_in(user).status_code == 200, "with the hash that replaced it"
