"""The command `authserver`: its groups, and how expected failures become one line on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from sqlalchemy import exc

from authserver import __version__
from authserver.administration.errors import AdminError
from authserver.cli.activity import activity
from authserver.cli.admin import admin
from authserver.cli.apis import apis
from authserver.cli.audit import audit
from authserver.cli.clients import clients
from authserver.cli.db import db
from authserver.cli.doctor import doctor
from authserver.cli.keys import keys
from authserver.cli.programs import Invocation, Programs
from authserver.cli.prune import prune
from authserver.cli.serve import serve
from authserver.cli.sessions import sessions
from authserver.cli.settings import settings
from authserver.cli.users import users
from authserver.cli.why import why
from authserver.database.engine import Unavailable
from authserver.database.schema import SchemaOutdated
from authserver.keys.keyring import NoKeys
from authserver.keys.vault import MasterKeyError
from authserver.passwords.hasher import HashingDirectoryRefused, HashingOverloaded
from authserver.settings.loading import SettingsError

INTERRUPTED = 130

#: What says in its text what to do, and needs no traceback.
_EXPECTED = (MasterKeyError, NoKeys, SchemaOutdated, HashingDirectoryRefused, HashingOverloaded)


@click.group(
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
    context.obj = Invocation(context.obj, config)


for part in (serve, db, admin, clients, users, apis, sessions, keys, audit, why, doctor, activity, settings, prune):
    command.add_command(part)


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
        # The reader (head, a pager) has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        problems = _problems(error)
        if not problems:
            raise  # a mistake of ours deserves its traceback
        for problem in problems:
            click.echo(f"error: {' '.join(problem.split())}", err=True)
        return 1
    return status if isinstance(status, int) else 0


def _problems(error: Exception) -> Sequence[str]:
    """One line for each reason of an expected failure; nothing for one that should not have happened."""
    if isinstance(error, SettingsError | AdminError):
        return error.problems
    if isinstance(error, _EXPECTED):
        return [str(error)]
    if isinstance(error, exc.ProgrammingError):
        return ["the database has not the schema of this version; run: authserver db upgrade"]
    # The bare class is what SQLite raises for a file that is no database.
    if isinstance(error, Unavailable) or type(error) is exc.DatabaseError:
        return [_database_problem(error)]
    return []


def _database_problem(error: Exception) -> str:
    # The driver's own words and never the statement, whose parameters hold hashes and digests.
    cause = getattr(error, "orig", None)
    words = str(cause if cause is not None else error).strip().splitlines()
    return (
        f"the database cannot be used: {words[0] if words else type(error).__name__}; check database.url and its server"
    )
