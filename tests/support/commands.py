"""Parses and runs the lines of shell that pages and commands print for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click
import pytest

from authserver.__main__ import Programs
from authserver.cli import command as cli
from authserver.cli.programs import Invocation
from tests.support.server import LiveServer
from tests.support.setup import Setup


def parse(line: str) -> list[str]:
    """The arguments of a line that begins with `authserver`; fails when the command does not take them."""
    program, *arguments = shlex.split(line)
    assert program == "authserver", line
    context = click.Context(cli.command, obj=Invocation(Programs(), None))
    found: click.Command = cli.command
    rest: Sequence[str] = arguments
    while isinstance(found, click.Group):
        name, inner, rest = found.resolve_command(context, list(rest))
        assert inner is not None, line
        context = click.Context(inner, info_name=name, parent=context)
        found = inner
    found.make_context(context.info_name, list(rest), parent=context.parent)
    return arguments


def run(setup: Setup, monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    """Run such a line in this process, on the database of a setup; its exit status."""
    arguments = parse(line)
    with monkeypatch.context() as patched:
        for name, value in LiveServer(setup, port=8000).environment().items():
            patched.setenv(name, value)
        patched.setenv("AUTHSERVER_CACHES__MAX_AGE", "0.1")
        return cli.main(Programs(), arguments)
