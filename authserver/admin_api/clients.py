"""Clients: list, register, read, replace, change, remove, disable, enable, rotate the secret, end all that they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from authserver.admin_api import paging
from authserver.admin_api.clients_models import (
    NAMES,
    ChangedClient,
    Client,
    ClientChanges,
    ClientCreation,
    ClientList,
    ClientQuery,
    ClientValues,
    SecretRotation,
    changed,
    client,
)
from authserver.admin_api.route import MERGE_PATCH, Route
from authserver.administration import clients as use_cases
from authserver.administration.clients import Registered
from authserver.administration.context import Administration
from authserver.clients.registration import fill
from authserver.clients.store import Filter

_READ: Final = "authserver:clients:read"
_WRITE: Final = "authserver:clients:write"


def list_(admin: Administration, query: ClientQuery) -> ClientList:
    which = Filter(query.q, query.kind, query.enabled, query.scope)
    rows = use_cases.find_all(admin, which, after=paging.decode(query.cursor), limit=query.limit + 1)
    kept, following = paging.cut(rows, query, lambda row: row.client_id)
    return ClientList(items=[client(row) for row in kept], next=following)


def create(admin: Administration, body: ClientCreation) -> ChangedClient:
    return changed(use_cases.add(admin, fill(**body.given())))


def read(admin: Administration, client_id: str) -> Client:
    return client(use_cases.find(admin, client_id))


def replace_(admin: Administration, client_id: str, body: ClientValues) -> ChangedClient:
    whole = fill(**{**body.given(), "client_id": client_id})
    return changed(use_cases.edit(admin, client_id, lambda _: whole))


def change(admin: Administration, client_id: str, body: ClientChanges) -> ChangedClient:
    return changed(use_cases.edit(admin, client_id, lambda before: replace(before, **body.given())))


def remove(admin: Administration, client_id: str) -> None:
    use_cases.remove(admin, client_id)


def disable(admin: Administration, client_id: str) -> Client:
    use_cases.disable(admin, client_id)
    return read(admin, client_id)


def enable(admin: Administration, client_id: str) -> Client:
    use_cases.enable(admin, client_id)
    return read(admin, client_id)


def rotate_secret(admin: Administration, client_id: str, body: SecretRotation) -> ChangedClient:
    secret = use_cases.rotate_secret(admin, client_id, overlap=body.overlap)
    return changed(Registered(use_cases.find(admin, client_id), secret, ()))


def end_all(admin: Administration, client_id: str) -> Client:
    use_cases.end_all(admin, client_id)
    return read(admin, client_id)


ROUTES: Final = (
    Route("GET", "/clients", _READ, "List clients", list_, "A page"),
    Route(
        "POST", "/clients", _WRITE, "Register a client", create, "Registered",
        status=201, location="client_id", idempotent=True, names=NAMES, errors={409},
        description="Only this answer shows the secret of a confidential client.",
    ),
    Route("GET", "/clients/{client_id}", _READ, "Read a client", read, "The client"),
    Route(
        "PUT", "/clients/{client_id}", _WRITE, "Replace a client", replace_, "The client now",
        represents=client, names=NAMES,
        description="A member that is left out gets the safe value of the kind. Sessions go on.",
    ),
    Route(
        "PATCH", "/clients/{client_id}", _WRITE, "Change a client", change, "The client now",
        body_types=MERGE_PATCH, represents=client, names=NAMES,
        description="A JSON merge patch (RFC 7396). A client gets a secret with its first method that needs one.",
    ),
    Route(
        "DELETE", "/clients/{client_id}", _WRITE, "Remove a client for good", remove, "Removed",
        status=204, represents=client,
        description="Its sessions end. Its id is free again when their rows have been pruned.",
    ),
    Route(
        "POST", "/clients/{client_id}/disable", _WRITE, "Disable a client", disable, "The client",
        represents=client, errors={409},
        description="Ends its sessions for good. Every node honours it within 5 seconds.",
    ),
    Route(
        "POST", "/clients/{client_id}/enable", _WRITE, "Enable a client", enable, "The client",
        represents=client, errors={409}, description="Restores no session: its users sign in again.",
    ),
    Route(
        "POST", "/clients/{client_id}/secret", _WRITE, "Rotate a client's secret", rotate_secret, "The client now",
        idempotent=True, represents=client, errors={409},
        description="Only this answer shows the new secret. During the overlap the old one works too.",
    ),
    Route(
        "POST", "/clients/{client_id}/end-sessions", "authserver:sessions:write",
        "End all sessions of a client, and its own tokens", end_all, "The client", represents=client,
        description="The client itself goes on. Every node honours it within 5 seconds.",
    ),
)  # fmt: skip
