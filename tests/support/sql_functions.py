"""The server's functions that run SQL, and which of them the tests run on PostgreSQL.

Most tests run on SQLite only. A function without a test on PostgreSQL would run there for the first time in production.
So a run of all tests with TESTS_REQUIRE=everything (.ci/run) fails if there is such a function.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from tests.support.missing_parts import required
from tests.support.source_files import source_files

#: What executes a statement for a store (database/tables.py).
_ROWS = {"one_row", "all_rows"}
#: Files that speak to one driver. `files.py` has what is done with an SQLite database as a file.
_OF_A_DRIVER = {f"authserver/database/{name}.py" for name in ("connections", "tables", "files")}
#: Reads the source of a transfer, which is always SQLite.
_OF_SQLITE = {"authserver.database.transfer._batches"}


def functions_with_sql() -> set[str]:
    """The functions that execute a statement, as "authserver.users.store.add". Those for a driver do not count."""
    files = [file for file in source_files("authserver") if str(file.path) not in _OF_A_DRIVER]
    found = {name for file in files for name in _executing(file.tree, ".".join(file.path.with_suffix("").parts))}
    return found - _OF_SQLITE


def _executing(node: ast.AST, name: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _executing(child, f"{name}.{child.name}")
        elif isinstance(child, ast.FunctionDef):
            called = {ast.unparse(part.func) for part in ast.walk(child) if isinstance(part, ast.Call)}
            if called & _ROWS or any(each.endswith(".execute") for each in called):
                yield f"{name}.{child.name}"


class SqlOnPostgresql:
    """A plugin of pytest: notes which functions run on PostgreSQL in any process, and fails the run over the rest."""

    def __init__(self) -> None:
        self.functions = functions_with_sql()
        self.ran: set[str] = set()
        event.listen(Engine, "before_cursor_execute", self.note)

    def note(self, connection: Connection, *_: Any) -> None:
        """Note the function that executes a statement on this connection, if it is PostgreSQL's."""
        frame: FrameType | None = sys._getframe() if connection.dialect.name == "postgresql" else None
        while frame is not None:
            name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
            if name in self.functions:
                self.ran.add(name)
                return
            frame = frame.f_back

    @property
    def missing(self) -> list[str]:
        return sorted(self.functions - self.ran)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the functions that ran in a worker of pytest-xdist."""
        self.ran.update(getattr(node, "workeroutput", {}).get("sql_on_postgresql", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["sql_on_postgresql"] = sorted(self.ran)
        elif _is_whole(session.config) and self.missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if _is_whole(config) and self.missing:
            terminalreporter.section("functions with SQL that no test runs on PostgreSQL", red=True)
            terminalreporter.write_line("\n".join(self.missing))


def _is_whole(config: pytest.Config) -> bool:
    """Whether this is a run of all tests without a skip."""
    chosen = config.option.keyword or config.option.markexpr or config.args_source != config.ArgsSource.TESTPATHS
    return "everything" in required() and not chosen
