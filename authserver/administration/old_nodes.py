"""What nodes of the version before cannot work with, and so waits until none of them runs any more."""

from __future__ import annotations

from collections.abc import Iterator

from authserver.refusals.problems import Problem
from authserver.settings.values import DatabaseSettings

_WHEN = "when none of these nodes runs any more, set database.all_nodes_new to true on all nodes"


def early_problems(settings: DatabaseSettings, *, username: str | None, subject: str | None) -> Iterator[Problem]:
    """Why a user cannot be stored yet. Old nodes put the id into tokens instead of the subject, and lists end too soon."""
    if settings.all_nodes_new:
        return
    if subject is not None:
        yield Problem(f"nodes of the version before know no subjects: {_WHEN}", "subject")
    if username is None:
        yield Problem(f"nodes of the version before need a user name: {_WHEN}", "username")
