"""`authserver activity`: sign-ins, refreshes, refusals and live sessions over time."""

from __future__ import annotations

from dataclasses import asdict

import click

from authserver.administration import activity as use_cases
from authserver.cli.output import moment, print_json, print_table
from authserver.cli.programs import Invocation, with_json
from authserver.database.times import iso

_NOTHING = "Nothing has happened in this time. A running server writes the figures every few seconds: authserver serve"


@click.command()
@click.option(
    "--span", type=click.Choice(list(use_cases.SPANS)), default="day", show_default=True, help="How far back."
)
@with_json
def activity(invocation: Invocation, span: str) -> None:
    """Show sign-ins, refreshes, refusals and live sessions of all nodes over time.

    Prints a table of all, then the refusals by reason. A time is the beginning of its row, in UTC.
    """
    report = use_cases.read(invocation.admin, span)
    if invocation.as_json:
        print_json({**asdict(report), "starts": [iso(start) for start in report.starts]})
        return
    nothing = [0] * len(report.starts)
    rows = list(
        zip(
            map(moment, report.starts),
            report.sign_ins,
            use_cases.total(report.refreshes) or nothing,
            report.sign_outs,
            use_cases.total(report.refusals) or nothing,
            report.active,
            strict=True,
        )
    )
    columns = ("from", "sign-ins", "refreshes", "sign-outs", "refusals", "live sessions")
    print_table(columns, [] if report.is_empty else rows, empty=_NOTHING)
    if report.refusals:
        click.echo()
        reasons = [(reason, sum(figures)) for reason, figures in report.refusals.items()]
        print_table(("refused because", "times"), reasons, empty="")
