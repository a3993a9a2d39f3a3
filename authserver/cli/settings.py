"""`authserver settings`: check and show."""

from __future__ import annotations

import click

from authserver.administration.doctor.settings import examine
from authserver.cli.output import warn
from authserver.cli.programs import Invocation, with_json
from authserver.settings.report import describe


@click.group()
def settings() -> None:
    """Look at the settings: defaults < TOML file < environment < secret files."""


@settings.command()
@with_json
def check(invocation: Invocation) -> None:
    """Check the settings without starting anything. The exit status is 1 if they break a rule.

    Each problem is one line, with its source and what would be right. A warning is for a value that is allowed and
    doubtful. Variables that were ignored are listed with the reason.
    """
    found = [f"{one.subject}: {one.reason}" for one in examine(invocation.settings)]
    ignored = list(invocation.settings.ignored)
    if not invocation.as_json:
        warn(found)
        for line in ignored:
            click.echo(f"ignored: {line}", err=True)
    text = f"The settings are valid ({invocation.settings.environment})."
    invocation.done(text, valid=True, warnings=found, ignored=ignored)


@settings.command()
@click.option("--changed", is_flag=True, help="Only what is not a default.")
@with_json
def show(invocation: Invocation, *, changed: bool) -> None:
    """Show every setting with its source. Secrets are masked."""
    rows = [row for row in describe(invocation.settings) if not changed or row[2] != "default"]
    documents = [{"name": name, "value": value, "source": source} for name, value, source in rows]
    invocation.print_list(documents, ("setting", "value", "source"), rows, "Every setting has its default.")
