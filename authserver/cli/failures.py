"""The lines that a command prints for an expected failure: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from authserver.administration.errors import AdminError
from authserver.database.failures import failure_of
from authserver.database.files import FileRefused
from authserver.database.schema import RowsLeft, SchemaInUse, SchemaOutdated
from authserver.database.transfer import TransferRefused
from authserver.keys.keyring import NoKeys
from authserver.keys.vault import MasterKeyError
from authserver.passwords.hasher import HashingDirectoryRefused, HashingOverloaded
from authserver.settings.loading import SettingsError
from authserver.throttling.outside import StoreAway

#: The text of these errors says what to do.
_EXPECTED = (
    FileRefused,
    MasterKeyError,
    NoKeys,
    RowsLeft,
    SchemaInUse,
    SchemaOutdated,
    StoreAway,
    HashingDirectoryRefused,
    HashingOverloaded,
    TransferRefused,
)


def problems_of(error: Exception) -> Sequence[str]:
    """The lines of an expected failure, one for each reason; no lines for an unexpected one."""
    if isinstance(error, AdminError):
        return [str(problem) for problem in error.problems]
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, _EXPECTED):
        return [str(error)]
    failure = failure_of(error)
    return [] if failure is None else [f"the database cannot be used: {failure.line}"]
