"""What commands share: the settings, the database and the application, each made when a command asks for it."""

from __future__ import annotations

import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar
from wsgiref.types import WSGIApplication

import click
from flask import Flask

from authserver.administration.context import Administration
from authserver.administration.errors import Conflict
from authserver.cli.output import Rows, print_fields, print_json, print_table
from authserver.database import schema
from authserver.database.engine import Database, open_database
from authserver.serving.admission import Hints
from authserver.settings.model import Settings, load_settings
from authserver.settings.values import LogSettings

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Application:
    """`make` builds the application and starts its housekeeping. `stop` ends it. Each worker calls both.

    `hints` says which of its requests wait for nothing. `large_bodies` has the paths whose requests may be larger than
    others, and the bytes that they may have.
    """

    make: Callable[[Settings], WSGIApplication]
    stop: Callable[[WSGIApplication], None]
    hints: Callable[[WSGIApplication], Hints]
    large_bodies: Callable[[Settings], Mapping[str, int]]


class Programs(Protocol):
    """What the entry point hands to commands. Only entry points may import the application."""

    def application(self) -> Application:
        """Import the application, which takes long. Return what starts and stops it in a worker."""

    def configure_logging(self, settings: LogSettings, /) -> None:
        """Set where log lines of a command go. A server sets it by itself."""


@dataclass
class Invocation:
    """One run of the command; click's context object."""

    programs: Programs
    config_file: Path | None
    as_json: bool = False  # the option --json

    @cached_property
    def settings(self) -> Settings:
        """Raises `SettingsError`."""
        return load_settings(self.config_file, os.environ)

    @contextmanager
    def database(self, *, check_schema: bool = True) -> Iterator[Database]:
        """The database for one command, its connections closed at the end.

        Raises:
            SchemaOutdated: it does not have the schema of this version.
            Conflict: the embedded database does not exist. Opening it would make an empty one.
        """
        path = embedded_path(self.settings)
        if check_schema and path is not None and not path.exists():
            raise Conflict(f"there is no database at {path} yet; run: authserver db upgrade")
        database = open_database(Flask("authserver.cli"), self.settings, bounded=False)
        try:
            if check_schema:
                schema.check(database)
            yield database
        finally:
            database.dispose()

    @cached_property
    def admin(self) -> Administration:
        """What use cases work with, until the command ends. The database is opened at the first use.

        Raises:
            SchemaOutdated, Conflict: as `database`.
        """
        return click.get_current_context().with_resource(self.administration())

    @contextmanager
    def administration(self) -> Iterator[Administration]:
        """As `admin`, for a command that goes on without the database."""
        self._log_to_standard_error()
        with self.database() as database:
            yield Administration(database, self.settings, actor())

    def done(self, text: str, /, **document: object) -> None:
        """Print what was done: a line for people, or a document for programs."""
        if self.as_json:
            print_json(document)
        else:
            click.echo(text)

    def print_one(self, document: Mapping[str, object], fields: Mapping[str, object], done: str | None = None) -> None:
        """Print the document for programs, or the fields for people, after a line that says what was done."""
        if self.as_json:
            print_json(document)
            return
        if done is not None:
            click.echo(f"{done}\n")
        print_fields(fields)

    def print_list(
        self, documents: Sequence[object], columns: Sequence[str], rows: Rows, empty: str, limit: int | None = None
    ) -> None:
        """Print the documents for programs, or a table of the rows for people, as `print_table` does.

        `limit` says how many rows were asked for. As many rows are perhaps not all.
        """
        if self.as_json:
            print_json(documents)
            return
        print_table(columns, rows, empty=empty)
        if len(rows) == limit:
            click.echo(f"There may be more: these are the newest {limit:,} (--limit).", err=True)

    def _log_to_standard_error(self) -> None:
        """Log audit events as a server does, so that log collectors get them. A terminal shows warnings only."""
        if not sys.stderr.isatty():
            self.programs.configure_logging(self.settings.log)
            return
        self.programs.configure_logging(LogSettings(level="WARNING", format="console"))
        logging.getLogger("authserver.audit").setLevel(logging.WARNING)


pass_invocation = click.make_pass_decorator(Invocation)


def with_json(command: Callable[Concatenate[Invocation, Parameters], Result]) -> Callable[Parameters, Result]:
    """Give a command the option --json, and the invocation, which knows whether the option was given."""
    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=_keep_json, help="Print JSON, for programs."
    )
    return option(pass_invocation(command))


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    context.obj.as_json = value


def embedded_path(settings: Settings) -> Path | None:
    """The file of an SQLite database; None for another database."""
    url = settings.database_url
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def actor() -> str:
    """The actor of audit events: the login name, or the user's number if the system has no name for it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"cli:{name}"[:100]
