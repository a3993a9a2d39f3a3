"""The lines that a command prints for an expected failure: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exc

from authserver.administration.errors import AdminError
from authserver.database.engine import Unavailable
from authserver.database.schema import SchemaOutdated
from authserver.keys.keyring import NoKeys
from authserver.keys.vault import MasterKeyError
from authserver.passwords.hasher import HashingDirectoryRefused, HashingOverloaded
from authserver.settings.loading import SettingsError

#: The text of these errors says what to do.
_EXPECTED = (MasterKeyError, NoKeys, SchemaOutdated, HashingDirectoryRefused, HashingOverloaded)


def problems_of(error: Exception) -> Sequence[str]:
    """The lines of an expected failure, one for each reason; no lines for an unexpected one."""
    if isinstance(error, AdminError):
        return [str(problem) for problem in error.problems]
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, _EXPECTED):
        return [str(error)]
    if isinstance(error, exc.ProgrammingError):
        return ["the database does not have the schema of this version; run: authserver db upgrade"]
    # SQLite raises the bare class for a file that is not a database.
    if isinstance(error, Unavailable) or type(error) is exc.DatabaseError:
        return [_database_problem(error)]
    return []


def _database_problem(error: Exception) -> str:
    # The driver's text, never the statement: its parameters hold hashes and digests.
    cause = getattr(error, "orig", None)
    words = str(cause if cause is not None else error).strip().splitlines()
    return (
        f"the database cannot be used: {words[0] if words else type(error).__name__}; check database.url and its server"
    )
