"""`authserver users import` and `export`: many users at once, as CSV or JSON lines."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast

import click

from authserver.administration import users_import as use_cases
from authserver.administration.errors import Invalid
from authserver.administration.users_import import Tally
from authserver.administration.users_lines import Format
from authserver.cli.output import clean, counted, end_progress, progress, warn
from authserver.cli.programs import Invocation, pass_invocation, with_json
from authserver.cli.writing import written

#: At most so many problems are printed. A file of the wrong kind has a problem in every line.
_SHOWN = 50

_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="[default: by the ending of the file]")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Write every problem there, as JSON lines."
)
@click.option("--batch", type=click.IntRange(1, 5000), default=500, show_default=True, help="Lines in one transaction.")
@with_json
def import_(
    invocation: Invocation, /, file: BinaryIO, form: str | None, report: Path | None, batch: int, *, dry_run: bool
) -> int:
    """Add the users of a file, with their password hashes; - is standard input.

    Lines that cannot be used are printed, and the others are imported; then the exit status is 1. After a stop run it
    again: it skips users that exist. docs/users-import.md has the columns and the known hashes.

    \b
    Examples:
      authserver users import users.csv --dry-run
      authserver users import users.csv --report problems.jsonl
      zcat users.jsonl.gz | authserver users import - --format jsonl
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    chosen = _chosen(form, file.name)
    tell, shown = progress("lines"), 0
    tally = Tally()
    with ExitStack() as stack:
        problems = None if report is None else stack.enter_context(written(report))
        for step in use_cases.import_users(invocation.admin, file, chosen, dry_run=dry_run, batch=batch):
            end_progress()
            for problem in step.problems:
                shown += 1
                if shown <= _SHOWN:
                    click.echo(clean(f"line {problem.line}: {problem.field}: {problem.text}"), err=True)
                if problems is not None:
                    problems.write(json.dumps(asdict(problem)).encode() + b"\n")
            tally = step.tally
            tell(tally.lines)
    end_progress()
    if shown > _SHOWN:
        click.echo(f"… and {counted(shown - _SHOWN, 'problem')} more (--report FILE has all of them)", err=True)
    _warn_of(tally)
    invocation.done(_summary(tally, dry_run=dry_run), **asdict(tally), dry_run=dry_run)
    return 1 if tally.refused else 0


@click.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--with-password-hashes", is_flag=True, help="To move to another server. Keep the file as a secret.")
@click.option(
    "--with-ids", is_flag=True, help="To move to another server, whose tokens then name the users as this one's do."
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="[default: standard output]")
@pass_invocation
def export(
    invocation: Invocation, /, form: Format, output: Path | None, *, with_password_hashes: bool, with_ids: bool
) -> None:
    """Write all users in the form that `users import` reads.

    \b
    Examples:
      authserver users export > users.csv
      authserver users export --format jsonl --with-password-hashes --with-ids --output users.jsonl
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    tell, count = progress("exported"), 0
    with written(output or Path("-")) as target:
        lines = use_cases.export_users(
            invocation.admin, form, with_password_hashes=with_password_hashes, with_ids=with_ids
        )
        for line in lines:
            target.write(line.encode())
            count += 1
            if count % 1000 == 0:
                tell(count)
    end_progress()
    click.echo(f"Exported {counted(count - (form == 'csv'), 'user')}.", err=True)


def _chosen(form: str | None, name: str) -> Format:
    found = form or _FORMATS.get(Path(name).suffix.lower())
    if found is None:
        raise Invalid("the ending of the file does not tell its format: give --format csv or --format jsonl")
    return cast("Format", found)


def _warn_of(tally: Tally) -> None:
    if tally.stopped_at is not None:
        warn([f"nothing after line {tally.stopped_at} was read: mend it, and run the import again"])
    if tally.plain_passwords:
        count = counted(tally.plain_passwords, "password")
        warn([f"{count} stood in the file as plain text: delete the file and all its copies"])
    if tally.without_password:
        warn(
            [f"{counted(tally.without_password, 'user')} came without a password, and cannot sign in before one is set"]
        )


def _summary(tally: Tally, *, dry_run: bool) -> str:
    added = f"{'Would add' if dry_run else 'Added'} {counted(tally.added, 'user')}"
    present = "1 was" if tally.present == 1 else f"{tally.present:,} were"
    return f"{added}; {present} there already; {counted(tally.refused, 'line')} refused."
