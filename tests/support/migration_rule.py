"""The rule of expand and contract (CONTRIBUTING.md, "Migrations"), checked on the SQL that a migration runs on PostgreSQL.

What is not known to be harmless is refused. So the check may refuse something new that is harmless: then add it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

#: Tables that grow with users and time.
LARGE = {"audit_events", "sessions", "users"}
#: The version before: the commit that the rehearsal upgrades from, and the newest revision that it knows.
BEFORE, BEFORE_REVISION = (Path(__file__).parents[1] / "proofs" / "upgrade_from").read_text().split()

_NEVER = [
    (r"ALTER TABLE \S+ RENAME|ALTER INDEX \S+ RENAME", "renames: the nodes of one version miss the old or the new name"),
    (r"ALTER TABLE \S+ ALTER COLUMN \S+ (SET DATA )?TYPE", "changes a type: it rewrites the table under a lock"),
    (r".*;.", "is several statements: write them one by one"),
    (r"UPDATE|DELETE|TRUNCATE", "changes rows at once: write a back-fill"),
    (r"ALTER TABLE \S+ ADD COLUMN (?!.*DEFAULT).*NOT NULL",
     "adds a column that old nodes do not fill: let it be NULL, or give it a default in the database"),
    (r"ALTER TABLE \S+ ADD COLUMN .*(DEFAULT (?!'[^']*'|-?\d|true|false|NULL)|GENERATED|SERIAL)",
     "computes a value for each row: it rewrites the table under a lock"),
]  # fmt: skip
_CONTRACTS = [
    (r"DROP (TABLE|INDEX)|ALTER TABLE \S+ DROP", "drops what old nodes use"),
    (r"ALTER TABLE \S+ ALTER COLUMN \S+ (SET NOT NULL|DROP DEFAULT)", "demands a value that old nodes do not write"),
    (r"ALTER TABLE \S+ ADD (CONSTRAINT|UNIQUE|CHECK|FOREIGN|PRIMARY)|CREATE UNIQUE INDEX",
     "demands something of rows that old nodes write"),
]  # fmt: skip
_HARMLESS = r"SELECT|SET LOCAL|INSERT INTO \S+ (\(.*\) )?VALUES|INSERT INTO schema_origin|ALTER TABLE \S+ ADD COLUMN"
_CREATE_TABLE = re.compile(r"CREATE (?:UNLOGGED )?TABLE (\S+)")
_CREATE_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\S+ ON (\S+)")
_ALTER_TABLE = re.compile(r"ALTER TABLE (\S+)(?: ADD COLUMN (\S+))?")
_UNIQUE = re.compile(r"(?:CREATE UNIQUE INDEX|.* UNIQUE) .*\((.*)\)$")


def breaches(statements: Iterable[str], *, contract: bool = False) -> list[str]:
    """What the rule forbids in one migration, each with its statement. `contract`: see `is_due`."""
    made: set[str] = set()  # tables, and columns as "table.column"
    return [
        f"{problem}: {statement}"
        for statement in (" ".join(text.split()) for text in statements)
        if (problem := _problem(statement, made, contract=contract)) is not None
    ]


def _problem(statement: str, made: set[str], *, contract: bool) -> str | None:
    if created := _CREATE_TABLE.match(statement):
        made.add(created[1])
        return None
    index, altered, unique = (form.match(statement) for form in (_CREATE_INDEX, _ALTER_TABLE, _UNIQUE))
    table = index[1] if index else altered[1] if altered else ""
    if table in made or "alembic_version" in statement:
        return None
    if altered and altered[2]:
        made.add(f"{table}.{altered[2]}")
    if unique and table not in LARGE and {f"{table}.{column}" for column in unique[1].split(", ")} <= made:
        return None  # old nodes leave the new columns empty
    never = _first(_NEVER, statement) or (table in LARGE and _problem_of_large(statement, contract=contract))
    if never:
        return never
    if demanded := _first(_CONTRACTS, statement):
        return None if contract else demanded
    return None if index or re.match(_HARMLESS, statement) else "is not known to be harmless"


def _first(problems: Sequence[tuple[str, str]], statement: str) -> str | None:
    return next((problem for form, problem in problems if re.match(form, statement, re.IGNORECASE)), None)


def _problem_of_large(statement: str, *, contract: bool) -> str | None:
    if _CREATE_INDEX.match(statement) and not (contract and "IF NOT EXISTS" in statement):
        return "makes an index of a large table, on which nothing can be written meanwhile"
    if re.search("SET NOT NULL|ADD CONSTRAINT", statement):
        return "reads a whole large table under a lock"
    return None


def is_due(contracts: str) -> bool:
    """Whether a migration may be a contract: the version before has the revision of the expand."""
    return contracts <= BEFORE_REVISION


@contextmanager
def recorded(where: Engine | Connection) -> Iterator[list[str]]:
    """Collect the SQL of a migration."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(statement)

    event.listen(where, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(where, "before_cursor_execute", note)
