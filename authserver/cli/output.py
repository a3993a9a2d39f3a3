"""How commands print: tables for people, as wide as the terminal; JSON with stable names for programs.

Names, devices and user agents come from outside. Escape sequences in them are printed as text, so they cannot drive the
terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from authserver.administration.errors import AdminError
from authserver.clients.model import ClientRecord
from authserver.refusals.problems import Problem
from authserver.users.model import UserRecord

#: Without a terminal no line is folded: one line is one row, for grep and awk.
_PIPE_WIDTH = 10_000
Rows = Sequence[Sequence[object]]
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def clean(value: object) -> str:
    """The text with its control characters and other invisible characters escaped."""
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(value: object) -> str:
    """A value for people. A set becomes sorted words, an empty value a dash."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case frozenset():
            return clean(" ".join(sorted(value))) if value else "-"
        case _:
            return clean(value)


def moment(milliseconds: int | None) -> str | None:
    """A time for people, in UTC, to the second."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float | None) -> str | None:
    """A duration for people: the two largest units, such as 7d or 1h 30m."""
    if seconds is None:
        return None
    parts, rest = [], round(seconds)
    for unit, size in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return " ".join(parts[:2]) or "0s"


def state_of(row: ClientRecord | UserRecord) -> str:
    """The state in a word."""
    return "enabled" if row.enabled else "disabled"


def print_json(value: object) -> None:
    """Print one JSON document; sets become sorted lists."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Rows, *, empty: str) -> None:
    """Print rows under their columns. If the terminal is too narrow, print them below each other.

    `empty` is printed if there are no rows.
    """
    if not rows:
        click.echo(empty)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console = _console()
    if console.measure(table, options=console.options.update(width=_PIPE_WIDTH)).maximum <= console.width:
        _print(table)
        return
    for number, row in enumerate(rows):
        if number:
            click.echo()
        print_fields(dict(zip(columns, row, strict=True)))


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one thing, a field a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(Text(name, style="bold"), Text(shown(value)))
    _print(table)


def warn(texts: Iterable[Problem | str]) -> None:
    """Print warnings on standard error, one a line."""
    for text in texts:
        click.echo(f"warning: {clean(text)}", err=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`.

    Raises:
        AdminError: the answer is no, or standard input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise AdminError(f"{question} There is no terminal to ask on: give --yes if you mean it")
    if not click.confirm(question, err=True):
        raise AdminError("nothing was changed")


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 session, 2 sessions."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def progress(what: str) -> Any:
    """A function that shows a growing count on standard error, if that is a terminal."""

    def tell(count: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {count:,}", err=True, nl=False)

    return tell


def end_progress() -> None:
    """Clear the line that `progress` wrote."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def _print(table: Table) -> None:
    console = _console()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset | set) else str(value)
