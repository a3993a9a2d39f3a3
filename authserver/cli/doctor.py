"""`authserver doctor`: findings, each with its reason and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict

import click

from authserver.administration import doctor as use_cases
from authserver.administration.context import Administration
from authserver.administration.doctor import Finding, Severity
from authserver.cli.output import counted
from authserver.cli.programs import Invocation, actor, with_json


@click.command()
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.NOTE.value,
    show_default=True,
    help="Only findings that are at least so severe.",
)
@click.option("--except", "accepted", multiple=True, metavar="CHECK", help="Not this check; repeat.")
@with_json
def doctor(invocation: Invocation, severity: str, accepted: tuple[str, ...]) -> int:
    """Look for problems in settings, clients, APIs, users and keys, and on this node.

    Each finding has its reason, and the command that mends it. The doctor changes nothing, and needs no running server.
    The exit status is 1 if it shows an error or a warning, so that a scheduled job can tell.

    \b
    Examples:
      authserver doctor
      authserver doctor --severity warning --except client.password-grant
      authserver doctor --json
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    with invocation.database(check_schema=False) as database:
        found = use_cases.examine(Administration(database, invocation.settings, actor()))
    least = Severity(severity).rank
    shown = [one for one in found if one.severity.rank <= least and one.check not in accepted]
    columns = ("severity", "check", "what", "why", "what mends it")
    table = [(one.severity.value, one.check, one.subject, one.reason, one.command) for one in shown]
    empty = "Nothing was found that deserves attention."
    invocation.print_list([asdict(one) for one in shown], columns, table, empty)
    if shown and not invocation.as_json:
        click.echo(f"\n{_summary(shown)}")
    return int(any(one.severity is not Severity.NOTE for one in shown))


def _summary(shown: list[Finding]) -> str:
    numbers = [(severity, sum(one.severity is severity for one in shown)) for severity in Severity]
    return ", ".join(counted(number, severity.value) for severity, number in numbers if number) + "."
