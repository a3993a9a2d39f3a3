"""Users bring their ids along: the column `subject` of an import, and an export that another server reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.users_lines import Format
from tests.support.databases import on_both_databases
from tests.support.importing import CALLER, exported, import_text
from tests.support.setup import Setup, make_setup
from tests.support.subjects import before_and_after_the_upgrade, register

pytestmark = on_both_databases

SUBJECTS = (
    "auth0|507f1f77bcf86cd799439020",
    "f:0b6c-4d:12",
    "=SUM(A1)",
    "'+1",
    '="7"',
    "00123",
    "CN=Anna, OU=x;y",
    "x;=1+1;'@z;''",
    ";'+",
)


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester", caller=CALLER)


def subjects(admin: Administration) -> dict[str, str | None]:
    return {row.username: row.subject for row in users.find_all(admin)}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_brings_every_subject_to_another_server(
    admin: Administration, setup: Setup, tmp_path: Path, form: Format
):
    lines = [json.dumps({"username": f"user-{n}", "subject": text}) for n, text in enumerate(SUBJECTS)]
    tally, problems = import_text(admin, "\n".join([*lines, '{"username": "without"}']), "jsonl")
    assert (tally.added, problems) == (len(SUBJECTS) + 1, [])
    text = exported(admin, form)
    other = make_setup(setup.kind, tmp_path / "other")
    there = Administration(other.database, other.settings, "cli:tester")
    tally, problems = import_text(there, text, form)
    assert (tally.added, problems) == (len(SUBJECTS) + 1, [])
    kept = {f"user-{number}": text for number, text in enumerate(SUBJECTS)}
    assert subjects(there) == subjects(admin) == {**kept, "without": None}
    assert exported(there, form) == text
    other.close()


def test_an_export_with_ids_keeps_the_sub_of_every_user(admin: Administration, setup: Setup, tmp_path: Path):
    import_text(admin, "username,subject\nanna,moved\nbea,\n")
    text = exported(admin, with_ids=True)
    ids = {row.username: str(row.id) for row in users.find_all(admin)}
    assert [row["subject"] for row in csv.DictReader(text.splitlines())] == ["moved", ids["bea"]]
    tally, problems = import_text(admin, text)
    assert (tally.present, problems) == (2, []), "here it says what is so already"
    other = make_setup(setup.kind, tmp_path / "other")
    there = Administration(other.database, other.settings, "cli:tester")
    assert import_text(there, text)[0].added == 2
    assert subjects(there) == {"anna": "moved", "bea": ids["bea"]}
    other.close()


def test_lines_whose_subject_is_taken_are_refused_alone(admin: Administration, setup: Setup):
    person = setup.a_person(username="zoe", subject="zoes")
    plain = setup.a_person(username="yan")
    assert register(admin, "shop") == "client"
    text = f"""username,subject
anna,zoes
bea,shop
carl,{plain.id}
dora,fine
emil,fine
fred, x
zoe,other
yan,{plain.id}
zoe,zoes
"""
    for dry_run in (True, False):
        tally, problems = import_text(admin, text, dry_run=dry_run)
        told = [(problem.line, problem.field, problem.text.split(" (")[0]) for problem in problems]
        assert told[:3] == [
            (2, "subject", "is the subject of another user"),
            (3, "subject", "is the client_id of a client"),
            (4, "subject", "is the id of another user"),
        ]
        assert told[3] == (6, "subject", "is taken by an earlier line of this file")
        assert [line for line, field, _ in told[4:]] == [7, 8]
        assert (tally.added, tally.present, tally.refused) == (1, 2, 6)
    assert subjects(admin)["dora"] == "fine"
    assert person.id == str(users.find(admin, "zoe").id)


def test_the_same_file_again_adds_nothing(admin: Administration):
    text = "username,subject\nanna,moved\nbea,\n"
    assert import_text(admin, text)[0].added == 2
    tally, problems = import_text(admin, text)
    assert (tally.present, problems) == (2, [])
    tally, problems = import_text(admin, "username\nanna\n")
    assert (tally.present, [problem.field for problem in problems]) == (0, ["username"])


def test_the_event_of_a_moved_user_has_the_subject(admin: Administration, setup: Setup):
    import_text(admin, "username,subject\nanna,moved\nbea,\n")
    assert [json.loads(row.detail).get("subject") for row in setup.events("user.imported")] == ["moved", None]


def test_before_all_nodes_know_subjects_only_lines_without_are_imported(setup: Setup):
    early, later = before_and_after_the_upgrade(setup)
    tally, problems = import_text(early, "username,subject\nanna,moved\nbea,\n")
    assert tally.added == 1
    assert [(p.line, p.field, "database.all_nodes_new" in p.text) for p in problems] == [(2, "subject", True)]
    assert import_text(later, "username,subject\nanna,moved\nbea,\n")[0].added == 1


def test_a_batch_with_subjects_costs_a_few_statements_more(app: Flask, setup: Setup, statements: Any):
    """Lookups and a lock for a whole batch, and not for each user."""
    admin = Administration(app.extensions["authserver"].database, setup.settings, "cli:tester")
    counts = []
    for column in ("roles", "subject"):
        text = f"username,{column}\n" + "".join(f"{column}-{n},x{n}\n" for n in range(100))
        with statements.counted() as seen:
            assert import_text(admin, text)[0].added == 100
        counts.append(len(seen))
    lock = setup.kind == "postgresql"
    assert counts[1] - counts[0] == 3 + lock
