"""A file of users: how its lines are read, and the problems of the lines that are refused."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.users_lines import Given, read
from tests.support.databases import on_both_databases
from tests.support.foreign_hashes import HASHES
from tests.support.importing import CALLER, import_text, names
from tests.support.setup import Setup

HASH = HASHES["pbkdf2_sha256, Django 5.2"]


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester", caller=CALLER)


# --- the contents of a line -------------------------------------------------------------------------------------------

HEADER = b"username,email,roles,enabled,password_hash,password\n"
ANNA = Given(
    2,
    "anna",
    "anna@example.com",
    frozenset({"editor", "writer"}),
    enabled=False,
    subject=None,
    password_hash=HASH,
    password=None,
)


@pytest.mark.parametrize(
    "text",
    [
        f"username,email,roles,enabled,password_hash\nanna,anna@example.com,editor writer,false,{HASH}\n",
        f"\ufeffusername,email,roles,enabled,password_hash\r\nanna,anna@example.com,writer editor,no,{HASH}\r\n",
        f' PASSWORD_HASH , Enabled,email,roles,Username\n"{HASH}","0","anna@example.com","editor writer","anna"',
        f"\ufeffusername;email;roles;enabled;password_hash\r\nanna;anna@example.com;editor writer;no;{HASH}\r\n",
        f'username,email,roles,enabled,password_hash\nanna,anna@example.com,"editor\nwriter",no,{HASH}\n',
        f"username\temail\troles\tenabled\tpassword_hash\nanna\tanna@example.com\teditor writer\tno\t{HASH}\n",
        f"username,email,roles,enabled,password_hash,,\nanna,anna@example.com,editor writer,no,{HASH},,\n",
        f"username,email,roles,enabled,password_hash\nanna,anna@example.com,editor writer,no,{HASH},,,\n",
        f'username,email,roles,enabled,password_hash\n"=""anna""",anna@example.com,editor writer,no,{HASH}\n',
        f'"USERNAME";" email";"Roles";enabled;password_hash\r\nanna;anna@example.com;editor writer;FALSE;{HASH}\r\n',
    ],
)
def test_a_csv_record_is_read_however_spreadsheets_write_it(text: str):
    assert list(read(io.BytesIO(text.encode()), "csv")) == [ANNA]


@pytest.mark.parametrize("before", ["sep=;\r\n", "\ufeffsep=;\n", '"sep=;"\r\n'])
def test_a_first_line_that_names_the_separator_for_excel_is_read_so(before: str):
    header = "username;email;roles;enabled;password_hash\r\n"
    line = f"anna;anna@example.com;editor writer;no;{HASH}\r\n"
    assert list(read(io.BytesIO((before + header + line).encode()), "csv")) == [replace(ANNA, line=3)]
    assert list(read(io.BytesIO(b"sep=;\nusername\nanna\n\nb,c\n"), "csv"))[-1].line == 5


def test_a_password_that_looks_like_a_formula_of_a_spreadsheet_is_kept_as_it_is():
    (given,) = read(io.BytesIO(b'username,password\nanna,"=""correct horse"""\n'), "csv")
    assert isinstance(given, Given)
    assert given.password == '="correct horse"'


@pytest.mark.parametrize(
    "members",
    [
        {"roles": ["editor", "writer"], "enabled": False, "password": None},
        {"roles": "editor  writer", "enabled": "false"},
    ],
)
def test_a_json_line_is_read_with_lists_or_words(members: dict[str, Any]):
    values = {"username": "anna", "email": "anna@example.com", "password_hash": HASH} | members
    assert list(read(io.BytesIO(f"\n{json.dumps(values)}".encode()), "jsonl")) == [ANNA]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("name,email\nanna,\n", "there is no column 'name'; there are username, email, roles, enabled"),
        ("username|email\nanna|\n", r"there is no column 'username|email'.* separated by commas, semicolons or tabs"),
        ("username,,email\nanna,,\n", "there is no column ''"),
        ("sep=|\nusername|email\n", "there is no column 'sep="),
        ("sep=;\n", "the file is empty"),
        ("username,email;roles\nanna,;\n", "there is no column 'email;roles'"),
        (f"{'n' * 500},username\n", "there is no column 'n{40}';"),
        ("username,username\nanna,\n", "the column username is there twice"),
        ("roles\neditor\n", "there is no column username or email"),
        ("username,email".encode("utf-16"), "the first line is not text in UTF-8, but looks like UTF-16: save"),
        ("\nusername,email\n".encode("utf-16-le"), "looks like UTF-16"),
        (
            "username,émail".encode("latin-1"),
            "the first line is not text in UTF-8: save the file as CSV UTF-8 .*it has to name the columns",
        ),
        ("username,email\ranna,\r", "the first line ends in CR alone: save the file with LF or CR LF"),
        ("username\ranna\r" * 2000, "the first line ends in CR alone"),
        ('username,"email\nanna,\n', "the first line is no CSV: a quotation mark is left open"),
        ('username,"email\nanna",\n', "the first line is no CSV: a quotation mark is left open"),
        ('username, "email"\n', "the first line is no CSV"),
        (f"\ufeffusername{' ' * 20_000}\nanna\n", "the first line is longer than 16,384 bytes"),
    ],
)
def test_a_file_whose_columns_are_not_known_is_refused_whole(admin: Administration, text: str | bytes, reason: str):
    with pytest.raises(Invalid, match=reason):
        import_text(admin, text)


@pytest.mark.parametrize(
    ("line", "field", "text"),
    [
        ("anna", "line", "has 1 cells, and the first line names 6 columns"),
        ("anna,,,,,,x", "line", "has 7 cells"),
        ('"anna\nbob",,,,,', "username", "no control, invisible or unassigned characters, and this has U\\+000A"),
        ('"anna\r\nbob"', "line", "has 1 cells"),
        ("a\0b,,,,,", "username", "this has U\\+0000"),
        (",,,,,", "username", "is missing"),
        ("a@b,,,,,", "username", "a user name has no @"),
        ("01a1febe-70ec-7c74-a485-0129a8adee4e,,,,,", "username", "has not the form of an id"),
        ("a\u200bb,,,,,", "username", "no control, invisible or unassigned characters, and this has U\\+200B"),
        ("anna,anna@,,,,", "email", "is a host name"),
        ("anna,,ed!tor,,,", "roles", "a role has 1 to 64 characters"),
        ("anna,,,perhaps,,", "enabled", "has to be true or false"),
        ("anna,,,,5f4dcc3b5aa765d61d8327deb882cf99,", "password_hash", "it is a digest without a salt"),
        ("anna,,,,what is this,", "password_hash", "this form of hash is not known here"),
        ("anna,,,,$pbkdf2-sha256$2147483648$c2FsdA$c2FsdHNhbHRzYWx0c2FsdA,", "password_hash", "the iterations"),
        ("anna,,,,,short", "password", "a password has 8 to 256 characters, not 5"),
        (f"anna,,,,{HASH},correct horse", "password", "give one of the two"),
        (b"ann\xe4,,,,,", "line", "is not text in UTF-8"),
        (b'"ann\xe4\nbob",,,,,', "line", "is not text in UTF-8"),
    ],
)
def test_a_bad_line_is_told_by_number_field_and_reason_and_the_rest_is_imported(
    admin: Administration, line: str | bytes, field: str, text: str
):
    raw = line if isinstance(line, bytes) else line.encode()
    tally, problems = import_text(admin, HEADER + b"before,,,,,\n" + raw + b"\nafter,,,,,\n")
    (problem,) = problems
    assert (problem.line, problem.field) == (3, field)
    assert re.search(text, problem.text), problem
    assert (tally.lines, tally.added, tally.refused) == (3, 2, 1)
    assert names(admin) == {"before", "after"}
    for secret in (HASH, "short", "correct horse", "5f4dcc3b"):
        assert secret not in problem.text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ('"anna,', "is no CSV: a quotation mark is left open"),
        ('"an"na,', "is no CSV"),
        ('an"na,', "is no CSV: .* is not doubled within a cell"),
        ("anna,\rbob,", "is no CSV: .* a CR is no part of a line end"),
        ('="anna",', 'has a cell of the form ="…", which only spreadsheets read'),
        ("x" * 20_000 + ",", "is longer than 16,384 bytes"),
    ],
)
@pytest.mark.parametrize("batch", [1, 2, 500])
def test_a_broken_record_ends_the_import_and_is_told_by_its_first_line(
    admin: Administration, record: str, text: str, batch: int
):
    tally, (problem,) = import_text(admin, f"username,email\n\nbefore,\n{record}\nafter,\n", batch=batch)
    assert (problem.line, problem.field, tally.stopped_at) == (4, "line", 4)
    assert re.search(text, problem.text), problem
    assert (tally.lines, tally.added, tally.refused) == (2, 1, 1)
    assert names(admin) == {"before"}
    mended, problems = import_text(admin, "username,email\n\nbefore,\nanna,\nafter,\n")
    assert (mended.added, mended.present, mended.stopped_at, problems) == (2, 1, None, [])


@pytest.mark.parametrize(
    ("line", "field", "text"),
    [
        ("{", "line", "is no JSON"),
        ("[" * 10_000, "line", "is no JSON"),
        ('"anna"', "line", "is no JSON object"),
        ('{"username": "anna", "username": "bob"}', "line", "has a member twice"),
        ('{"username": "anna", "is_admin": true}', "line", "has the unknown member 'is_admin'; there are username"),
        ('{"username": "anna", "id": "7"}', "line", "has the unknown member 'id'"),
        ('{"username": 7}', "username", "has to be text"),
        ('{"username": "\\ud800"}', "username", "no control, invisible or unassigned characters"),
        ('{"username": "a\\u0000b"}', "username", "no control, invisible or unassigned characters"),
        ('{"username": "anna", "roles": [7]}', "roles", "has to be a list of texts"),
        ('{"username": "anna", "enabled": 1}', "enabled", "has to be true or false"),
        ('{"username": "anna", "password": "\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}', "password", "surrogate"),
    ],
)  # fmt: skip
def test_a_bad_json_line_is_told_too(admin: Administration, line: str, field: str, text: str):
    tally, problems = import_text(admin, f'{{"username": "before"}}\n{line}\n{{"username": "after"}}', "jsonl")
    (problem,) = problems
    assert (problem.line, problem.field) == (2, field)
    assert text in problem.text
    assert (tally.added, tally.refused) == (2, 1)
    assert names(admin) == {"before", "after"}


@on_both_databases
def test_all_that_is_wrong_with_a_line_is_told_at_once_and_it_counts_once(admin: Administration):
    tally, problems = import_text(admin, "username,email,roles\na@b,c,d!\n")
    assert {problem.field for problem in problems} == {"username", "email", "roles"}
    assert tally.refused == 1
