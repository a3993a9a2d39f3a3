"""`authserver settings`: check and show."""

from __future__ import annotations

import click

from authserver.administration.doctor.settings import examine
from authserver.cli.output import json_option, print_json, print_table, warn
from authserver.cli.programs import Invocation, pass_invocation
from authserver.settings.report import describe


@click.group()
def settings() -> None:
    """Look at the settings: defaults < TOML file < environment < secret files."""


@settings.command()
@json_option
@pass_invocation
def check(invocation: Invocation, *, as_json: bool) -> None:
    """Check the settings without starting anything. The exit status is 1 if they break a rule.

    Each problem is one line, with its source and what would be right. A warning is for a value that is allowed and
    doubtful.
    """
    found = [f"{one.subject}: {one.reason}" for one in examine(invocation.settings)]
    if as_json:
        print_json({"valid": True, "warnings": found})
        return
    warn(found)
    click.echo(f"The settings are valid ({invocation.settings.environment}).")


@settings.command()
@click.option("--changed", is_flag=True, help="Only what is not a default.")
@json_option
@pass_invocation
def show(invocation: Invocation, *, changed: bool, as_json: bool) -> None:
    """Show every setting with its source. Secrets are masked."""
    rows = [row for row in describe(invocation.settings) if not changed or row[2] != "default"]
    if as_json:
        print_json([{"name": name, "value": value, "source": source} for name, value, source in rows])
        return
    print_table(("setting", "value", "source"), rows, empty="Every setting has its default.")
