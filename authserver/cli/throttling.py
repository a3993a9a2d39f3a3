"""`authserver throttling`: show what counts failed attempts now, and lift delays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from authserver.administration import throttling as use_cases
from authserver.administration.words import count_in_words
from authserver.cli.output import moment
from authserver.cli.programs import Invocation, with_json
from authserver.throttling.document import as_document
from authserver.throttling.viewing import Count


def _named(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name counts."""
    for option in (
        click.option("--client", metavar="CLIENT_ID", help="Its wrong secrets from --address; or, with --user, its sign-ins."),
        click.option("--address", metavar="IP", help="From this address. All of its IPv4 /24 or IPv6 /64 count together."),
        click.option("--user", metavar="NAME", help="Of this name, whether a user has it or not: name, e-mail address or id."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group()
def throttling() -> None:
    """Show what counts failed attempts now, and lift delays.

    Wrong passwords, secrets and links are counted, and above a limit the next attempt has to wait (429). Each delay ends by
    itself. The counts hold no names: a count is found by the name or address that it is of.
    """


@throttling.command()
@_named
@with_json
def show(invocation: Invocation, user: str | None, address: str | None, client: str | None) -> None:
    """Show the counts of a name, of an address, or of a client's secrets. Without options: how many delay somebody now.

    With --user alone it is the count of strangers. Give the address of the user too for the wrong passwords from there, or
    the client if it does not send the addresses of its users.

    \b
    Examples:
      authserver throttling show
      authserver throttling show --user anna --address 192.0.2.7
      authserver throttling show --client shop --address 192.0.2.7
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    admin = invocation.admin
    if user is None and address is None and client is None:
        _show_delayed(invocation)
        return
    _print(invocation, use_cases.show(admin, use_cases.target(admin, user=user, address=address, client=client)))


@throttling.command()
@_named
@with_json
def lift(invocation: Invocation, user: str | None, address: str | None, client: str | None) -> None:
    """Empty the counts that `show` shows with the same options, so that the next attempt is not delayed.

    Failures of strangers in a row begin anew too. If guesses go on, so do delays.

    \b
    Examples:
      authserver throttling lift --user anna --address 192.0.2.7
      authserver throttling lift --address 192.0.2.7
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    admin = invocation.admin
    lifted = use_cases.lift(admin, use_cases.target(admin, user=user, address=address, client=client))
    if lifted and not invocation.as_json:
        click.echo("Emptied these counts:\n")
    _print(invocation, lifted, "No attempts are counted there; nothing was changed.")


def _print(invocation: Invocation, counts: Sequence[Count], empty: str = "No attempts are counted there.") -> None:
    columns = ("count", "of", "failures", "free", "next attempt", "in a row")
    rows = [
        (count.kind, count.of, count.failures, count.free, moment(count.next_at) or "now", _in_a_row(count))
        for count in counts
    ]
    invocation.print_list([as_document(count) for count in counts], columns, rows, empty)


def _in_a_row(count: Count) -> str | None:
    return None if count.in_a_row is None else f"{count.in_a_row[0]} of {count.in_a_row[1]}"


def _show_delayed(invocation: Invocation) -> None:
    delayed = use_cases.delayed(invocation.admin)
    rows = [
        (kind, f"about {one.number}" if one.is_estimate else one.number, count_in_words(kind))
        for kind, one in delayed.items()
        if one.number
    ]
    documents = [{"count": kind, "delayed": one.number, "estimate": one.is_estimate} for kind, one in delayed.items()]
    invocation.print_list(documents, ("count", "delayed now", "counts"), rows, "Nothing is delayed.")
