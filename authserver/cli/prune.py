"""`authserver prune`: delete rows that are not needed any more."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from authserver.administration import pruning
from authserver.administration.pruning import Pruned
from authserver.cli.output import end_progress
from authserver.cli.programs import Invocation, with_json

INTERRUPTED = 130


@click.command()
@with_json
def prune(invocation: Invocation) -> int:
    """Delete sessions that ended long ago, old audit events, removed users and clients, and other rows that time has passed.

    The server does this by itself (retention.prune_interval). It works in small batches, delays no request, and may run
    on several nodes at once. Ctrl-C stops it after the current batch. The next run goes on.
    """
    state = Pruned()
    with _stoppable() as stopped:
        for state in pruning.prune(invocation.admin):
            _show(state)
            if stopped:
                break
    end_progress()
    text = (
        f"{'Stopped: deleted' if stopped else 'Deleted'} {state.sessions:,} of {state.seen:,} sessions, "
        f"{state.events:,} audit events, {state.erased:,} removed users and clients, {state.others:,} other rows."
    )
    invocation.done(text, **asdict(state), finished=not stopped)
    return INTERRUPTED if stopped else 0


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Put Ctrl-C and SIGTERM into the list, so that they do not interrupt a batch."""
    stopped: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: stopped.append(number)) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(state: Pruned) -> None:
    if sys.stderr.isatty():
        click.echo(
            f"\rlooked at {state.seen:,} sessions, deleted {state.sessions:,}; {state.events:,} events; {state.others:,} other rows",
            err=True,
            nl=False,
        )
