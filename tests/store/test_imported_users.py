"""Imported users: a user who exists already is not changed, the others can sign in, and an export has all of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from authserver.administration import users, users_import
from authserver.administration.context import Administration
from authserver.administration.errors import Forbidden
from authserver.administration.users import Profile
from authserver.administration.users_lines import Format, Given, first_line, line_of, read
from authserver.users.names import check_email, check_username
from tests.support.databases import on_both_databases
from tests.support.foreign_hashes import DEFAULT_HASHES, HASHES, PASSWORD
from tests.support.importing import CALLER, exported, import_text, names
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents

pytestmark = on_both_databases

HASH = HASHES["pbkdf2_sha256, Django 5.2"]


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester", caller=CALLER)


# --- users who exist already ------------------------------------------------------------------------------------------


def test_users_who_are_there_just_so_are_passed_over_and_keep_their_password(admin: Administration, setup: Setup):
    person = setup.a_person(username="anna", email="anna@example.com", roles="editor")
    before = users.find(admin, person.id).password_hash
    tally, problems = import_text(admin, f"username,email,roles,password_hash\nanna,anna@example.com,editor,{HASH}\n")
    assert (tally.added, tally.present, problems) == (0, 1, [])
    assert users.find(admin, person.id).password_hash == before


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("anna,other@example.com,editor,", "username"),
        ("anna,anna@example.com,editor administrator,", "username"),
        ("ANNA,anna@example.com,editor,", "username"),
        ("anna,anna@example.com,editor,false", "username"),
        ("bob,anna@example.com,editor,", "email"),
        ("bob,ANNA@EXAMPLE.COM,editor,", "email"),
    ],
)
def test_a_user_who_is_there_otherwise_is_not_touched(admin: Administration, setup: Setup, line: str, field: str):
    """A file must not rename, promote or take over an existing user."""
    setup.a_person(username="anna", email="anna@example.com", roles="editor")
    before = contents(setup)["users"]
    tally, (problem,) = import_text(admin, f"username,email,roles,enabled\n{line}\n")
    assert (tally.added, tally.refused, problem.field) == (0, 1, field)
    assert contents(setup)["users"] == before


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 500])
def test_names_that_come_twice_in_a_file_are_told_in_any_batch(admin: Administration, batch: int, *, dry_run: bool):
    lines = ["username,email", "anna,a@example.com", "bob,", "Anna,", "carl,A@example.com", "bob,", "dora,"]
    tally, problems = import_text(admin, "\n".join(lines), batch=batch, dry_run=dry_run)
    assert (tally.added, tally.present, tally.refused) == (3, 1, 2)
    assert [(problem.line, problem.field) for problem in problems] == [(4, "username"), (5, "email")]


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(admin: Administration, setup: Setup):
    text = "username,password\nanna,correct horse\nb@d,\nbob,\n"
    before = contents(setup)
    tally, problems = import_text(admin, text, dry_run=True)
    assert contents(setup) == before
    assert import_text(admin, text) == (tally, problems)
    assert (tally.added, tally.refused, tally.plain_passwords, tally.without_password) == (2, 1, 1, 1)


class Rival(Administration):
    """Adds the user `rival` as another administrator, between the check of a batch and its insert."""

    def hash_password(self, password: str) -> str:
        if "rival" not in names(self):
            users.add_hashed(
                Administration(self.database, self.settings, "cli:rival"), Profile("rival", None, frozenset()), None
            )
        return super().hash_password(password)


def test_a_batch_that_meets_a_faster_administrator_loses_that_line_only(setup: Setup):
    rival = Rival(setup.database, setup.settings, "cli:tester")
    tally, (problem,) = import_text(rival, "username,password\nanna,correct horse\nrival,\nbob,\n")
    assert (problem.line, problem.field, tally.added, tally.refused) == (3, "username", 2, 1)
    assert names(rival) == {"anna", "bob", "rival"}
    assert len(setup.events("user.imported")) == 2, "nothing is left of the batch that was rolled back"


# --- the new users ----------------------------------------------------------------------------------------------------


def test_imported_users_sign_in_by_plain_password_by_hash_or_not_yet(admin: Administration, oauth: OAuth):
    import_text(
        admin, f"username,email,password_hash,password\nhashed,h@example.com,{HASH},\nplain,,,correct horse\nnone,,,\n"
    )
    assert oauth.sign_in(Person("", "hashed", PASSWORD)).status_code == 200
    assert oauth.sign_in(Person("", "h@example.com", PASSWORD)).status_code == 200
    assert oauth.sign_in(Person("", "plain", "correct horse")).status_code == 200
    assert refused_as(oauth.sign_in(Person("", "none", "correct horse")), "invalid_grant")
    assert refused_as(oauth.sign_in(Person("", "none", "None None")), "invalid_grant")


def test_a_mark_for_no_password_is_imported_as_no_password(admin: Administration, oauth: OAuth, setup: Setup):
    """Django writes it for a user who signs in elsewhere, and a shadow file for an account without a password."""
    tally, problems = import_text(
        admin, f"username,password_hash\nhashed,{HASH}\ndjango,!0123456789abcdefghijABCDEFGHIJ0123456789\nshadow,*\n"
    )
    assert (tally.added, tally.without_password, problems) == (3, 2, [])
    assert oauth.sign_in(Person("", "hashed", PASSWORD)).status_code == 200
    assert refused_as(oauth.sign_in(Person("", "django", PASSWORD)), "invalid_grant")
    assert {row.username for row in setup.sql("SELECT username FROM users WHERE password_hash IS NULL")} == {
        "django",
        "shadow",
    }


def test_a_hash_that_is_fast_to_guess_is_kept_under_argon2id_until_the_first_sign_in(
    admin: Administration, oauth: OAuth, setup: Setup
):
    import_text(admin, f"username,password_hash\nanna,{HASHES['LDAP salted SHA-1, libpass 1.9']}\n")
    (row,) = setup.sql("SELECT password_hash FROM users")
    assert row.password_hash.startswith("$wrapped$l=20$salted-sha1$i=1$")
    assert refused_as(oauth.sign_in(Person("", "anna", "wrong password")), "invalid_grant")
    assert oauth.sign_in(Person("", "anna", PASSWORD)).status_code == 200
    (row,) = setup.sql("SELECT password_hash FROM users")
    assert row.password_hash.startswith("$argon2id$")
    assert oauth.sign_in(Person("", "anna", PASSWORD)).status_code == 200


def test_a_disabled_user_is_imported_disabled(admin: Administration, oauth: OAuth):
    import_text(admin, f"username,enabled,password_hash\nanna,false,{HASH}\n")
    assert refused_as(oauth.sign_in(Person("", "anna", PASSWORD)), "invalid_grant")
    users.enable(admin, "anna")
    assert oauth.sign_in(Person("", "anna", PASSWORD)).status_code == 200


def test_each_user_and_the_whole_import_leave_their_events_without_a_secret(admin: Administration, setup: Setup):
    import_text(admin, f"username,password_hash,password\nanna,{HASH},\nbob,,correct horse\nb@d,,\n")
    each, (whole,) = setup.events("user.imported"), setup.events("users.imported")
    assert {json.loads(row.detail)["username"] for row in each} == {"anna", "bob"}
    assert {json.loads(row.detail)["password"] for row in each} == {"hash", "plain"}
    assert {row.subject for row in each} == {whole.subject}
    assert json.loads(whole.detail) == {"added": 2, "present": 0, "refused": 1}
    for row in (*each, whole):
        assert (row.actor, row.address, row.outcome) == ("cli:tester", CALLER.address, "done")
        assert "correct horse" not in row.detail
        assert HASH.rsplit("$", 1)[1] not in row.detail


def test_nobody_imports_administrators_beyond_their_own_authority(app: Flask, setup: Setup):
    modest = Administration(
        setup.database, setup.settings, "user:x", authority=frozenset({"authserver:users:write"}), caller=CALLER
    )
    tally, (problem,) = import_text(modest, "username,roles\nanna,editor\nmallory,administrator\n")
    assert (tally.added, problem.line, problem.field) == (1, 3, "roles")
    assert "takes authority that you do not have yourself" in problem.text
    assert names(modest) == {"anna"}


def test_password_hashes_leave_by_the_command_line_only(setup: Setup):
    whole = Administration(setup.database, setup.settings, "user:x", authority=frozenset({"authserver:users:read"}))
    assert "username" in "".join(users_import.export_users(whole, "csv"))
    with pytest.raises(Forbidden, match="command line only"):
        users_import.export_users(whole, "csv", with_password_hashes=True)
    assert len(setup.events("users.exported")) == 1


# --- the export -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_imported_as_it_was(admin: Administration, setup: Setup, tmp_path: Path, form: Format):
    import_text(
        admin, f"username,email,roles,enabled,password_hash\nanna,a+b@example.com,editor x:y,,{HASH}\n'=1+1,,,no,\n"
    )
    for number in range(1203):
        setup.a_person(username=f"-user '{number}'", password_hash=DEFAULT_HASHES["Django"])
    before = exported(admin, form)
    assert before.count("\n") == 1205 + (form == "csv")
    setup.sql("DELETE FROM users")
    tally, problems = import_text(admin, before, form)
    assert (tally.added, problems) == (1205, [])
    assert exported(admin, form) == before


usernames = st.text(min_size=1, max_size=30) | st.builds(
    lambda start, rest: start + rest,
    st.sampled_from(["=", "+", "-", "'", "''", "'=", "\uff1d", '"', ",", ";"]),
    st.text(max_size=9),
)


@given(usernames, st.sampled_from([None, "=a@example.com", "+a@example.com", "-a@example.com", "'=a@example.com"]))
def test_every_name_that_users_can_have_comes_back_from_a_csv_file(username: str, email: str | None):
    try:
        check_username(username)
    except ValueError:
        return
    assert email is None or check_email(email)

    class Row:
        roles = frozenset({"x"})
        enabled = True
        subject = "auth0|1;=1+1"
        username_key = "its folded form"

    row: Any = Row()
    row.username, row.email = username, email
    text = first_line("csv", with_password_hash=False) + line_of("csv", row, with_password_hash=False)
    (given,) = read(io.BytesIO(text.encode()), "csv")
    assert isinstance(given, Given)
    assert (given.username, given.email, given.subject) == (username, email, Row.subject)
    # No cell begins as a formula, with any separator that a reader may take.
    for separator in (",", ";", "\t"):
        for cells in csv.reader(text.splitlines(), delimiter=separator):
            assert not any(cell.lstrip().startswith(tuple("=+-@\t\r＝＋－＠")) for cell in cells), cells  # noqa: RUF001


def test_a_formula_in_a_name_is_harmless_in_the_export(admin: Administration, setup: Setup):
    """A spreadsheet would run the formula on the computer of the administrator who opens the file."""
    for attack in ("=HYPERLINK(1)", "+1+cmd|' /C calc'!A0", "-2+3", "plain"):
        setup.a_person(username=attack)
    cells = [cell for row in csv.reader(exported(admin).splitlines()) for cell in row]
    assert "plain" in cells, "without the attack the cell equals the name"
    assert "'=HYPERLINK(1)" in cells
    assert not any(cell.startswith(tuple("=+-@")) for cell in cells)
