"""What nodes of the version before cannot work with, and so waits until none of them runs any more."""

from __future__ import annotations

from collections.abc import Iterator

from authserver.administration.context import Administration
from authserver.database import origin
from authserver.refusals.problems import Problem

#: The revision of the schema that brought subjects, and users without a name.
_SINCE = "0006"
_WHEN = "when none of these nodes runs any more, set database.all_nodes_new to true on all nodes"


def may_run(admin: Administration) -> bool:
    """Whether nodes of the version before may run: unless the settings deny it, or the schema was never theirs."""
    if admin.settings.database.all_nodes_new:
        return False
    with admin.reading() as connection:
        return not origin.is_since(connection, _SINCE)


def early_problems(*, username: str | None, subject: str | None) -> Iterator[Problem]:
    """Why a user cannot be stored while old nodes may run.

    They put the id into tokens instead of the subject, and their lists leave users without a name out.
    """
    if subject is not None:
        yield Problem(f"nodes of the version before know no subjects: {_WHEN}", "subject")
    if username is None:
        yield Problem(f"nodes of the version before need a user name: {_WHEN}", "username")
