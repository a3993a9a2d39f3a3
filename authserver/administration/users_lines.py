"""Users as lines of a file, in CSV or JSON. An import reads the form that an export writes.

A line of JSON or a record of CSV is one user, so a mistake harms no other user, and one line at a time is in memory. A
CSV cell that a spreadsheet would take for a formula is written with an apostrophe before it, which reading removes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from authserver.administration import csv_records
from authserver.administration.csv_records import BrokenRecord, Header, Source
from authserver.administration.errors import Invalid
from authserver.passwords.imported import is_no_password
from authserver.refusals import problems as refusals
from authserver.users.model import UserRecord, name_of
from authserver.users.names import trimmed
from authserver.users.subjects import subject_of

Format = Literal["csv", "jsonl"]

#: The columns and members, in the order in which they are written.
FIELDS = ("username", "email", "roles", "enabled", "subject", "password_hash", "password")

_Entry = TypeVar("_Entry")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# A cell with such a beginning is a formula in a spreadsheet, also in full-width forms (OWASP, CSV injection).
_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - just these


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line. `text` never holds a password or a hash."""

    line: int
    field: str
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """A user as a line has it. Only the types are checked."""

    line: int
    username: str | None
    email: str | None
    roles: frozenset[str]
    enabled: bool
    subject: str | None
    password_hash: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class Unreadable(Problem):
    """A broken record of CSV: nothing after it was read."""


def read(source: Source, form: Format) -> Iterator[Given | Problem]:
    """One user or one problem for each record of CSV, or line of JSON, that is not empty.

    Raises:
        Invalid: the first line of a CSV file does not name columns that are known.
    """
    if form == "jsonl":
        return _users(_lines(source), _parse_json)
    header = _read_columns(source)
    return _users(csv_records.read_records(source, header), partial(_parse_csv, header.names))


def _users(
    entries: Iterator[tuple[int, _Entry | Problem]], parse: Callable[[_Entry], Mapping[str, Any]]
) -> Iterator[Given | Problem]:
    try:
        for number, entry in entries:
            try:
                yield entry if isinstance(entry, Problem) else _given(number, parse(entry))
            except Invalid as refusal:
                yield from problems_of(number, refusal.problems)
    except BrokenRecord as broken:
        yield Unreadable(broken.line, "line", str(broken))


def problems_of(line: int, problems: Iterable[refusals.Problem]) -> Iterator[Problem]:
    """The same problems, as problems of a line."""
    return (Problem(line, problem.field, problem.text) for problem in problems)


def first_line(form: Format, *, with_password_hash: bool) -> str:
    """What an export begins with: the columns of `line_of`."""
    return _csv_line(FIELDS[: 6 if with_password_hash else 5]) if form == "csv" else ""


def line_of(form: Format, row: UserRecord, *, with_password_hash: bool, with_id: bool = False) -> str:
    """A user as a line, with its line end. `with_id` makes the id the subject of a user who has no other."""
    values: dict[str, Any] = {
        "username": name_of(row), "email": row.email, "roles": sorted(row.roles), "enabled": row.enabled,
        "subject": subject_of(row.subject, row.id) if with_id else row.subject,
    }  # fmt: skip
    if with_password_hash:
        values["password_hash"] = row.password_hash
    if form == "jsonl":
        return json.dumps(values, ensure_ascii=False) + "\n"
    values |= {"roles": " ".join(values["roles"]), "enabled": str(row.enabled).lower()}
    return _csv_line([_escape_formula(value or "") for value in values.values()])


def _lines(source: Source) -> Iterator[tuple[int, str | Problem]]:
    number = 0
    while raw := source.readline(csv_records.LONGEST):
        number += 1
        if len(raw) == csv_records.LONGEST and not raw.endswith(b"\n"):
            while (more := source.readline(csv_records.LONGEST)) and not more.endswith(b"\n"):
                pass  # skip to the next line without keeping this one
            yield number, Problem(number, "line", csv_records.TOO_LONG)
            continue
        if number == 1:
            raw = raw.removeprefix(csv_records.BOM)
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            yield number, Problem(number, "line", csv_records.NOT_UTF8)
        else:
            if line.strip():
                yield number, line


def _read_columns(source: Source) -> Header:
    """The header of a CSV file. Its columns are known."""
    try:
        header = csv_records.read_header(source)
    except BrokenRecord as broken:
        raise Invalid(f"the first line {broken}; it has to name the columns, such as username,email,roles") from None
    columns = [name.strip().lower() for name in header.names]
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets write columns that once had a cell
    known = f"there are {', '.join(FIELDS)}, separated by commas, semicolons or tabs"
    problems = [f"there is no column {name[:40]!r}; {known}" for name in columns if name not in FIELDS]
    problems += [f"the column {name} is there twice" for name in FIELDS if columns.count(name) > 1]
    if not {"username", "email"} & set(columns) and not problems:
        problems = [f"there is no column username or email; {known}"]
    if problems:
        raise Invalid(*problems)
    return header._replace(names=columns)


def _parse_csv(columns: Sequence[str], cells: Sequence[str]) -> Mapping[str, Any]:
    if len(cells) < len(columns) or any(cells[len(columns) :]):
        raise Invalid(f"has {len(cells)} cells, and the first line names {len(columns)} columns", field="line")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        raise Invalid(csv_records.NOT_UTF8, field="line") from None
    values = dict(zip(columns, cells, strict=False))  # empty cells may follow
    return {name: _unescape_formula(cell, exact=name == "password") for name, cell in values.items() if cell}


def _parse_json(line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        raise Invalid("is no JSON", field="line") from None
    if not isinstance(value, dict):
        raise Invalid("is no JSON object", field="line")
    if unknown := sorted(set(value) - set(FIELDS)):
        raise Invalid(f"has the unknown member {unknown[0][:40]!r}; there are {', '.join(FIELDS)}", field="line")
    return {name: member for name, member in value.items() if member is not None}


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Invalid("has a member twice", field="line")
    return dict(pairs)


def _given(number: int, values: Mapping[str, Any]) -> Given:
    texts = {name: values.get(name) for name in ("username", "email", "subject", "password_hash", "password")}
    for name, value in texts.items():
        if not isinstance(value, str | None):
            raise Invalid("has to be text", field=name)
    # Blanks around a name are no part of it; those around a password are.
    texts |= {name: trimmed(text) for name in ("username", "email") if (text := texts[name])}
    username, email, subject, password_hash, password = (text or None for text in texts.values())
    if username is email is None:
        raise Invalid("is missing, and so is an e-mail address", field="username")
    if password_hash and is_no_password(password_hash):
        password_hash = None
    if password_hash and password:
        raise Invalid("stands beside password_hash: give one of the two", field="password")
    roles, enabled = _roles(values.get("roles", "")), _enabled(values.get("enabled", True))
    return Given(number, username, email, roles, enabled, subject, password_hash, password)


def _roles(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list) and all(isinstance(role, str) for role in value):
        return frozenset(value)
    raise Invalid("has to be a list of texts, or one text with blanks between them", field="roles")


def _enabled(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    if isinstance(value, bool):
        return value
    raise Invalid("has to be true or false", field="enabled")


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    # All cells are in quotes: a spreadsheet with semicolons as separators must not make two cells of one.
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue()


def _escape_formula(cell: str) -> str:
    """Put an apostrophe before a formula, also before one that has apostrophes already, so that reading is exact.

    A spreadsheet with semicolons as separators makes cells of the parts of a later column, in spite of the quotes.
    """
    parts = cell.split(";")
    return ";".join(f"'{part}" if part.lstrip("'").startswith(_FORMULA) else part for part in parts)


def _unescape_formula(cell: str, *, exact: bool) -> str:
    """Also take the text out of `="text"`, with which spreadsheets keep a text a text. An export never begins so."""
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2 and not exact:
        return cell[2:-1].replace('""', '"')
    parts = [cell] if exact else cell.split(";")
    return ";".join(
        part[1:] if part.startswith("'") and part.lstrip("'").startswith(_FORMULA) else part for part in parts
    )
