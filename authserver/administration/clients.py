"""Use cases of clients: add, list, show, edit, disable, enable, rotate the secret, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from authserver.administration import cookie_size
from authserver.administration.authority import require_scopes
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, NotFound
from authserver.administration.sweeping import Progress, sweep_now
from authserver.apis import store as apis
from authserver.apis.model import Catalogue
from authserver.clients import secrets, store
from authserver.clients.fields import FIELDS, Registration
from authserver.clients.model import ClientRecord
from authserver.clients.registration import problems, warnings
from authserver.clients.store import Filter
from authserver.records.audit import Event
from authserver.refusals.problems import Problem
from authserver.sessions.model import End
from authserver.users.subjects import store as subjects

_SECRET_COLUMNS = (
    "secret_digest",
    "secret_used_at",
    "previous_secret_digest",
    "previous_secret_expires_at",
    "previous_secret_used_at",
)


@dataclass(frozen=True, slots=True, repr=False)
class Registered:
    """A client as it is now, its new secret to show once (None if it got none), and what deserves a second thought."""

    row: ClientRecord
    secret: str | None
    warnings: Sequence[Problem]


def find(admin: Administration, client_id: str) -> ClientRecord:
    """A client's row, disabled or not."""
    with admin.reading() as connection:
        row = store.read(connection, client_id)
    if row is None:
        raise _unknown(client_id)
    return row


def find_all(
    admin: Administration, which: Filter = Filter(), *, after: str | None = None, limit: int | None = None
) -> Sequence[ClientRecord]:
    """The clients by id, without removed ones. `after` is the last id of the previous page."""
    with admin.reading() as connection:
        return store.read_all(connection, which, after=after, limit=limit)


def concerns_of(admin: Administration, row: ClientRecord) -> list[Problem]:
    """What is allowed in a client's registration, and yet may not be intended."""
    with admin.reading() as connection:
        return _concerns(registration_of(row), apis.read(connection), admin)


def add(admin: Administration, registration: Registration) -> Registered:
    """Register a client; a confidential one gets its secret.

    Raises:
        Invalid: the registration breaks rules.
        Conflict: the client_id is taken, or belongs to a removed client whose row is still needed.
    """
    secret = None if registration.is_public else secrets.new_secret()
    digest = None if secret is None else secrets.digest(secret)
    client_id = registration.client_id
    try:
        with admin.transaction() as connection:
            require_scopes(admin, registration.scopes, "registering this client")
            _refuse_taken(connection, client_id)
            concerns = _check(registration, connection, admin)
            store.add(connection, {**registration.columns(), "secret_digest": digest})
            detail = {"kind": registration.kind, "grants": sorted(registration.grants)}
            admin.record(connection, Event.CLIENT_ADDED, client_id=client_id, detail=detail)
            row = find(admin, client_id)
    except IntegrityError:
        raise Conflict(
            f"the client_id {client_id!r} was taken a moment ago", field="client_id", see="clients list"
        ) from None
    return Registered(row, secret, concerns)


def edit(admin: Administration, client_id: str, change: Callable[[Registration], Registration]) -> Registered:
    """Change a client's registration. A client that becomes confidential gets a secret.

    A client that becomes public loses its secrets. Sessions stay: each refresh cuts their scopes to the client's.

    Raises:
        NotFound, Invalid.
    """
    with admin.transaction() as connection:
        before = registration_of(_lock(admin, connection, client_id))
        after = change(before)
        require_scopes(admin, after.scopes, "changing this client")
        concerns = _check(after, connection, admin, before)
        if after.client_id != client_id:
            raise Invalid("cannot be changed: register another client", field="client_id")
        values = {name: value for name, value in after.columns().items() if value != getattr(before, name)}
        secret = None
        if after.is_public and not before.is_public:
            values |= dict.fromkeys(_SECRET_COLUMNS)
        elif before.is_public and not after.is_public:
            secret = secrets.new_secret()
            values |= {"secret_digest": secrets.digest(secret)}
        if values:
            store.change(connection, client_id, values)
            detail = {"changed": sorted(values.keys() & FIELDS.keys())}
            admin.record(connection, Event.CLIENT_CHANGED, client_id=client_id, detail=detail)
        return Registered(find(admin, client_id), secret, concerns)


def disable(admin: Administration, client_id: str, on_progress: Progress | None = None) -> int:
    """Disable a client and end its sessions for good. Every node honours it within 5 s.

    Returns how many sessions were ended now. The server's own sweep ends the rest.
    """
    with admin.transaction() as connection:
        row = _lock(admin, connection, client_id)
        if not row.enabled:
            raise Conflict(f"the client {client_id} is disabled already")
        store.end_epoch(connection, client_id, enabled=False)
        admin.record(connection, Event.CLIENT_DISABLED, client_id=client_id)
    return sweep_now(admin, on_progress)


def enable(admin: Administration, client_id: str) -> None:
    """Enable a client again. Restores no session: its users sign in again."""
    with admin.transaction() as connection:
        row = _lock(admin, connection, client_id)
        if row.enabled:
            raise Conflict(f"the client {client_id} is enabled already")
        store.change(connection, client_id, {"enabled": True})
        admin.record(connection, Event.CLIENT_ENABLED, client_id=client_id)


def end_all(admin: Administration, client_id: str) -> None:
    """End a client's sessions and its own tokens. The client itself stays enabled."""
    with admin.transaction() as connection:
        _lock(admin, connection, client_id)
        store.end_epoch(connection, client_id)
        detail = {"because": End.CLIENT_ENDED.value, "sessions": "all"}
        admin.record(connection, Event.SESSION_REVOKED, client_id=client_id, detail=detail)


def rotate_secret(admin: Administration, client_id: str, *, overlap: int) -> str:
    """Make a new secret and return it. The current one stays valid for `overlap` seconds, an older one ends now.

    Raises:
        NotFound, or Conflict for a public client.
    """
    secret = secrets.new_secret()
    with admin.transaction() as connection:
        _lock(admin, connection, client_id)
        if not store.rotate_secret(connection, client_id, secrets.digest(secret), overlap_ms=overlap * 1000):
            raise Conflict(f"the client {client_id} is public: it has no secret to rotate")
        detail = {"overlap_seconds": overlap}
        admin.record(connection, Event.CLIENT_SECRET_ROTATED, client_id=client_id, detail=detail)
    return secret


def remove(admin: Administration, client_id: str, on_progress: Progress | None = None) -> int:
    """Remove a client and end its sessions. Its row stays, and its id stays taken, until no session needs them.

    An API that authenticates as this client then has no client.
    """
    with admin.transaction() as connection:
        _lock(admin, connection, client_id)
        store.end_epoch(connection, client_id, remove=True)
        # The id becomes free later. A new client with this id must not introspect the API's tokens.
        detail = {"apis": freed} if (freed := apis.forget_client(connection, client_id)) else {}
        admin.record(connection, Event.CLIENT_REMOVED, client_id=client_id, detail=detail)
    return sweep_now(admin, on_progress)


def registration_of(row: ClientRecord) -> Registration:
    """The registration that a row holds."""
    values = {name: getattr(row, name) for name in FIELDS}
    # Rows that are older than these columns belong to the operator's own clients, which do not send addresses.
    older = {"first_party": row.first_party is not False, "sends_user_address": bool(row.sends_user_address)}
    return Registration(**{**values, **older})


def _lock(admin: Administration, connection: Connection, client_id: str) -> ClientRecord:
    """Lock a client until the transaction ends, so that parallel edits take turns, and read it."""
    row = store.lock(connection, client_id)
    if row is None:
        raise _unknown(client_id)
    require_scopes(admin, row.scopes, "changing this client")
    admin.check_unchanged(row)
    return row


def _check(
    registration: Registration, connection: Connection, admin: Administration, before: Registration | None = None
) -> list[Problem]:
    catalogue = apis.read(connection)
    if found := problems(registration, catalogue, admin.settings.tokens, before=before):
        raise Invalid(*found)
    return _concerns(registration, catalogue, admin)


def _concerns(registration: Registration, catalogue: Catalogue, admin: Administration) -> list[Problem]:
    found = warnings(registration, catalogue)
    if cookie_size.may_be_too_long(registration, catalogue, admin.settings.issuer):
        found.append(Problem(cookie_size.TOO_LONG, "scopes", for_command_line=" (--token-delivery cookie)"))
    return found


def _unknown(client_id: str) -> NotFound:
    return NotFound(f"there is no client {client_id!r}", see="clients list")


def _refuse_taken(connection: Connection, client_id: str) -> None:
    subjects.keep_subjects_out(connection)
    if store.read(connection, client_id) is not None:
        raise Conflict(f"the client_id {client_id!r} is taken", field="client_id", see=f"clients show {client_id}")
    if store.was_removed(connection, client_id):
        raise Conflict(
            f"the client_id {client_id!r} belongs to a removed client whose ended sessions are kept for a while "
            "(retention.ended_sessions): choose another id, or try again when they have been pruned",
            field="client_id",
        )
    if subjects.is_subject(connection, client_id):
        raise Conflict(
            f"{client_id!r} is the subject of a user: tokens of the client would have the same `sub`", field="client_id"
        )
