"""The command `authserver`: its groups, each imported when it is run.

Importing all of them takes a second of CPU time, and a run needs one. So this file imports nothing of the server.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authserver import __version__

if TYPE_CHECKING:
    from authserver.cli.programs import Programs

INTERRUPTED = 130

#: Every command. The file of the same name has it under that name.
COMMANDS = (
    "serve",
    "db",
    "admin",
    "clients",
    "users",
    "apis",
    "sessions",
    "keys",
    "throttling",
    "audit",
    "why",
    "doctor",
    "activity",
    "settings",
    "prune",
    "recover",
    "backup",
    "restore",
    "transfer",
)


class LateGroup(click.Group):
    """A group that imports a command's file when the command is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        return getattr(importlib.import_module(f"authserver.cli.{name}"), name) if name in COMMANDS else None


@click.group(
    cls=LateGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own help, with examples: authserver clients add --help",
)
@click.version_option(__version__, prog_name="authserver")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML file with settings [default: AUTHSERVER_CONFIG, else ./authserver.toml if there is one].",
)
@click.pass_context
def command(context: click.Context, config: Path | None) -> None:
    """A standalone OAuth 2 authorization server: sign in, refresh silently, sign out.

    \b
    First steps:
      authserver db upgrade
      authserver apis add https://api.example.com --scope profile
      authserver clients add --kind web --name "My app" --scope profile --allow-password-grant
      authserver users add anna
      authserver admin create root --link
      authserver serve
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    from authserver.cli.programs import Invocation  # noqa: PLC0415 - not for --version and --help

    context.obj = Invocation(context.obj, config)


def main(programs: Programs, arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    try:
        status = command.main(arguments, prog_name="authserver", obj=programs, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from authserver.cli.failures import problems_of  # noqa: PLC0415 - needed for failures only

        problems = problems_of(error)
        if not problems:
            raise  # a mistake in the server: its traceback is needed
        for problem in problems:
            click.echo(f"error: {' '.join(problem.split())}", err=True)
        return 1
    return status if isinstance(status, int) else 0
