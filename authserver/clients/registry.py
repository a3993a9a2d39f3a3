"""The client cache: a token request costs no statement for its client, and a node learns of a change within seconds.

A cached "yes" may be up to `max_age` seconds old, so a disabled client stops within that time. After a cached "no"
`find_afresh` reads the client again, so a client or a secret made a moment ago works at once.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass

from authserver.clients import store
from authserver.clients.model import Client, ClientRecord
from authserver.clients.secret_use import SecretUses
from authserver.database.engine import Database
from authserver.database.rereading import Rereading
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason
from authserver.settings.values import TokenSettings

#: The form of a client_id. It has at most 32 characters and a user id has 36, so the two are never equal as `sub`.
#: Subjects that users bring along may be shorter: `administration/subjects` keeps them apart.
CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,32}")

#: After a refusal one client is read afresh at most this often, so that wrong secrets do not load the database.
_AFRESH_SECONDS = 1.0
_MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cached client, or None if no client has the id. In monotonic seconds. `afresh_at` is the last read after a refusal."""

    client: Client | None
    read_at: float
    afresh_at: float = float("-inf")


class ClientRegistry:
    """Finds clients by id. `uses` notes when they used their secrets. Safe for threads; one per process."""

    def __init__(self, database: Database, tokens: TokenSettings, *, max_age: float) -> None:
        self._database = database
        self._tokens = tokens
        self._max_age = max_age
        self.uses = SecretUses()
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._origins: tuple[frozenset[str], float] = frozenset(), float("-inf")
        self._rereading_origins = Rereading(self._read_origins)

    def find(self, client_id: str) -> Client | None:
        """Return the client, disabled or not, at most `max_age` seconds old, or None. Usually no statement."""
        return self._find(client_id, self._max_age)

    def find_afresh(self, client_id: str, *, asked_at: float = float("inf")) -> Client | None:
        """Read the client again after the cached copy was refused, but at most once a second.

        The second counts from the last fresh read, not from an ordinary read: so a secret that changed a moment after
        an ordinary read works at once. A copy read since `asked_at` (monotonic seconds) is returned as it is.
        """
        now = time.monotonic()
        entry = self._entries.get(client_id)
        if entry is not None and (entry.read_at >= asked_at or now - entry.afresh_at < _AFRESH_SECONDS):
            return entry.client
        return self._find(client_id, 0, afresh_at=now)

    def find_now(self, client_id: str) -> Client | None:
        """Read the client, without the cache. Use it before an act that cannot be undone."""
        return self._find(client_id, 0)

    def is_origin(self, origin: str) -> bool:
        """Whether a client has registered this origin. Known within `max_age`; a new origin within a second.

        While the database is slow or away, the last known origins count.
        """
        known, read_at = self._origins
        if time.monotonic() - read_at >= (self._max_age if origin in known else _AFRESH_SECONDS):
            self._rereading_origins.wait()
        return origin in self._origins[0]

    def knows_origin(self, origin: str) -> bool:
        """Whether a client has registered this origin, as far as it is in memory. Waits for nothing and reads nothing."""
        return origin in self._origins[0]

    def learn_origins(self) -> None:
        """Read the origins for `knows_origin`, at the start. The first preflight reads them again."""
        self._read_origins()
        self._origins = self._origins[0], float("-inf")

    def _read_origins(self) -> None:
        read_at = time.monotonic()
        with self._database.autocommit() as connection:
            self._origins = store.read_origins(connection), read_at

    def find_epoch(self, client_id: str, epoch: int) -> Client:
        """Return the client at this epoch or a later one. A session's row has shown that the cache is older.

        Raises:
            Refused: the client was disabled or removed meanwhile.
        """
        client = self.find(client_id)
        if client is None or client.epoch < epoch:
            client = self.find_now(client_id)
        if client is None or not client.enabled:
            raise Refused(Reason.CLIENT_DISABLED)
        return client

    def _find(self, client_id: str, max_age: float, *, afresh_at: float | None = None) -> Client | None:
        if not CLIENT_ID.fullmatch(client_id):
            return None
        entry = self._entries.get(client_id)
        if entry is not None and time.monotonic() - entry.read_at < max_age:
            return entry.client
        read_at = time.monotonic()  # before the read: a change during it counts as unseen
        with self._database.autocommit() as connection:
            row = store.read(connection, client_id)
        client = None if row is None else from_row(row, self._tokens)
        if afresh_at is None:
            afresh_at = float("-inf") if entry is None else entry.afresh_at
        with self._lock:
            if len(self._entries) >= _MAX_ENTRIES:  # guessed ids must not fill the memory
                self._entries.clear()
            self._entries[client_id] = _Entry(client, read_at, afresh_at)
        if client is not None and client.enabled and not client.origins <= self._origins[0]:
            self._origins = self._origins[0] | client.origins, self._origins[1]
        return client


def from_row(row: ClientRecord, tokens: TokenSettings) -> Client:
    """Make the value from the row, with the server's settings filled in.

    The limits are applied here too: they may be lower now than at registration, and keys are kept only for that long.
    """
    digests = (row.secret_digest, None), (row.previous_secret_digest, row.previous_secret_expires_at)
    return Client(
        client_id=row.client_id,
        auth_methods=row.auth_methods,
        secret_digests=tuple((digest, expires_at) for digest, expires_at in digests if digest is not None),
        grants=row.grants,
        scopes=row.scopes,
        default_scopes=row.scopes if row.default_scopes is None else row.default_scopes,
        default_api=row.default_api,
        refresh_policy=row.refresh_policy,
        retry_window=tokens.retry_window if row.retry_window is None else row.retry_window,
        late_retries=row.late_retries,
        refuse_foreign_retries=row.refuse_foreign_retries,
        access_token_lifetime=min(
            row.access_token_lifetime or tokens.access_token_lifetime, tokens.max_access_token_lifetime
        ),
        refresh_idle_lifetime=min(
            row.refresh_idle_lifetime or tokens.refresh_idle_lifetime, tokens.max_refresh_idle_lifetime
        ),
        refresh_absolute_lifetime=min(
            row.refresh_absolute_lifetime or tokens.refresh_absolute_lifetime, tokens.max_refresh_absolute_lifetime
        ),
        max_sessions_per_user=row.max_sessions_per_user or tokens.max_sessions_per_user_and_client,
        enabled=row.enabled,
        epoch=row.epoch,
        status_index=row.status_index,
        access_token_format=row.access_token_format,
        token_delivery=row.token_delivery or "json",
        origins=row.origins or frozenset(),
        sends_user_address=bool(row.sends_user_address),
    )
