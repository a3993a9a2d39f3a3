"""`authserver recover`: say that the database went back in time, so that apps go on with tokens that are newer than it."""

from __future__ import annotations

import click

from authserver.administration import recovery as use_cases
from authserver.administration.recovery import Status
from authserver.cli.output import confirm, counted, end_progress, moment, progress, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.cli.types import DURATION

_LOST = """
What no program can bring back, and what to do (docs/operating.md has the commands):
  sessions opened since the backup       they are unknown: their users sign in again
  sessions ended since the backup        they live again: end them, as the log of the server names them
  users disabled, passwords changed      do it again, and end the sessions of these users
  clients, APIs, roles, secrets changed  do it again
  keys marked as leaked since            mark them again, before apps refresh
  access tokens of lost sessions         good until they expire
"""


@click.group()
def recover() -> None:
    """Say that the database went back in time: a backup was restored, or a failover lost writes.

    Apps then hold refresh tokens that are newer than their sessions. They are told to wait (503), and keep their tokens.
    While a recovery is on, such a token is adopted: it becomes the current one of its session, and the app goes on.
    A token under a key that is marked as leaked is never adopted.
    """


@recover.command()
@click.option("--for", "seconds", type=DURATION, default="24h", show_default=True, help="How long; at most 7d.")
@with_json
def start(invocation: Invocation, seconds: int) -> None:
    """Adopt newer tokens from now on. All nodes obey at once. It ends by itself.

    Make it as long as apps may stay closed, and no longer: a token that was stolen and superseded after the backup is
    adopted too, until the app comes with its newer one. A second start changes when the recovery ends.

    \b
    Examples:
      authserver recover start
      authserver recover start --for 3d
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    declared = use_cases.start(invocation.admin, seconds)
    text = f"Newer tokens are adopted until {moment(declared.until)}.\n{_LOST}"
    invocation.done(text.rstrip(), started_at=declared.started_at, until=declared.until)


@recover.command()
@click.option("--end-unseen", is_flag=True, help="Also end each session that was not refreshed since it began.")
@yes_option
@with_json
def stop(invocation: Invocation, *, end_unseen: bool, yes: bool) -> None:
    """Adopt no more tokens. Apps that did not come in time are told to wait again.

    With --end-unseen they are asked to sign in. This ends what cannot be adopted any more, and sessions that were signed
    out after the backup and live again. It also works when the recovery has ended by itself.
    """
    admin = invocation.admin
    last = use_cases.status(admin)
    if end_unseen:
        confirm("End every session that was not refreshed since the recovery began?", yes=yes)
    if not end_unseen or (last is not None and last.is_on):
        use_cases.stop(admin)
    ended = 0
    if end_unseen:
        ended = use_cases.end_unseen(admin, progress("sessions ended"))
        end_progress()
    text = "No recovery is on." + (f" Ended {counted(ended, 'session')}." if end_unseen else "")
    invocation.done(text, sessions_ended=ended)


@recover.command()
@with_json
def status(invocation: Invocation) -> None:
    """Say whether a recovery is on, and how many tokens the last one adopted.

    A session with two adopted tokens had two newer ones: perhaps a thief's and its app's.
    """
    last = use_cases.status(invocation.admin)
    if last is None:
        invocation.done("No recovery was ever declared.", on=False)
        return
    document = {"on": last.is_on, "started_at": last.started_at, "until": last.until}
    document |= {"adopted_tokens": last.adopted.tokens, "adopted_sessions": last.adopted.sessions}
    invocation.print_one(document, _fields(last))


def _fields(last: Status) -> dict[str, object]:
    return {
        "on": last.is_on,
        "began": moment(last.started_at),
        "ends" if last.is_on else "ended": moment(last.until),
        "adopted": f"{counted(last.adopted.tokens, 'token')} of {counted(last.adopted.sessions, 'session')}",
    }
