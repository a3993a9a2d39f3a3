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
from authserver.admin_api.route import JSON, MERGE_PATCH, PREFIX, Answer, Content, Route
from authserver.administration import clients as use_cases
from authserver.administration.clients import Registered
from authserver.administration.context import Administration
from authserver.clients.fields import Registration
from authserver.clients.registration import fill
from authserver.clients.store import Filter

_READ: Final = "authserver:clients:read"
_WRITE: Final = "authserver:clients:write"


def list_(admin: Administration, query: ClientQuery) -> Answer:
    which = Filter(query.q, query.kind, query.enabled, query.scope)
    rows = use_cases.find_all(admin, which, after=paging.start(query), limit=query.limit + 1)
    kept, following = paging.cut(rows, query, lambda row: row.client_id, f"{PREFIX}/clients")
    return Answer(ClientList(items=[client(row) for row in kept], next=following))


def create(admin: Administration, body: ClientCreation) -> Answer:
    return _answer(use_cases.add(admin, fill(**body.given())), status=201)


def read(admin: Administration, client_id: str) -> Answer:
    shown = client(use_cases.find(admin, client_id))
    return Answer(shown, represents=shown)


def replace_(admin: Administration, client_id: str, body: ClientValues) -> Answer:
    whole = fill(**{**body.given(), "client_id": client_id})
    return _answer(use_cases.edit(admin, client_id, lambda _: whole))


def change(admin: Administration, client_id: str, body: ClientChanges) -> Answer:
    def changing(before: Registration) -> Registration:
        return replace(before, **body.given())

    return _answer(use_cases.edit(admin, client_id, changing))


def remove(admin: Administration, client_id: str) -> Answer:
    use_cases.remove(admin, client_id)
    return Answer(status=204)


def disable(admin: Administration, client_id: str) -> Answer:
    use_cases.disable(admin, client_id)
    return read(admin, client_id)


def enable(admin: Administration, client_id: str) -> Answer:
    use_cases.enable(admin, client_id)
    return read(admin, client_id)


def rotate_secret(admin: Administration, client_id: str, body: SecretRotation) -> Answer:
    secret = use_cases.rotate_secret(admin, client_id, overlap=body.overlap)
    return _answer(Registered(use_cases.find(admin, client_id), secret, ()))


def end_all(admin: Administration, client_id: str) -> Answer:
    use_cases.end_all(admin, client_id)
    return read(admin, client_id)


def _answer(registered: Registered, *, status: int = 200) -> Answer:
    headers = {"Location": f"{PREFIX}/clients/{registered.row.client_id}"} if status == 201 else {}
    return Answer(changed(registered), status, headers, represents=client(registered.row))


_CHANGED: Final = {200: Content(description="The client now", model=ChangedClient, headers=("ETag",))}
_SHOWN: Final = {200: Content(description="The client", model=Client, headers=("ETag",))}
_CREATED: Final = {201: Content(description="Registered", model=ChangedClient, headers=("ETag", "Location"))}

ROUTES: Final = (
    Route(
        method="GET", path="/clients", scope=_READ, summary="List clients", handler=list_, query=ClientQuery,
        answers={200: Content(description="A page", model=ClientList)},
    ),
    Route(
        method="POST", path="/clients", scope=_WRITE, summary="Register a client", handler=create, body=ClientCreation,
        idempotent=True, names=NAMES, errors=frozenset({409}), answers=_CREATED,
        description="A confidential client's secret is in the answer, once and never again.",
    ),
    Route(
        method="GET", path="/clients/{client_id}", scope=_READ, summary="Read a client", handler=read, answers=_SHOWN,
    ),
    Route(
        method="PUT", path="/clients/{client_id}", scope=_WRITE, summary="Replace a client", handler=replace_,
        body=ClientValues, if_match="required", represents=client, names=NAMES, answers=_CHANGED,
        description="What is left out gets the safe value of its kind. Sessions go on.",
    ),
    Route(
        method="PATCH", path="/clients/{client_id}", scope=_WRITE, summary="Change a client", handler=change,
        body=ClientChanges, body_types=(MERGE_PATCH, JSON), if_match="required", represents=client, names=NAMES,
        answers=_CHANGED,
        description="A JSON merge patch (RFC 7396). A client that gets a method with a secret for the first time is given one.",
    ),
    Route(
        method="DELETE", path="/clients/{client_id}", scope=_WRITE, summary="Remove a client for good", handler=remove,
        if_match="required", represents=client, answers={204: Content(description="Removed")},
        description="Its sessions end. Its id is free again when their rows have been pruned.",
    ),
    Route(
        method="POST", path="/clients/{client_id}/disable", scope=_WRITE, summary="Disable a client", handler=disable,
        if_match="optional", represents=client, errors=frozenset({409}), answers=_SHOWN,
        description="Ends its sessions for good. Every node honours it within 5 seconds.",
    ),
    Route(
        method="POST", path="/clients/{client_id}/enable", scope=_WRITE, summary="Enable a client", handler=enable,
        if_match="optional", represents=client, errors=frozenset({409}), answers=_SHOWN,
        description="Restores no session: its users sign in again.",
    ),
    Route(
        method="POST", path="/clients/{client_id}/secret", scope=_WRITE, summary="Rotate a client's secret",
        handler=rotate_secret, body=SecretRotation, idempotent=True, if_match="optional", represents=client,
        errors=frozenset({409}), answers=_CHANGED,
        description="The new secret is in the answer, once and never again. During the overlap both work.",
    ),
    Route(
        method="POST", path="/clients/{client_id}/end-sessions", scope="authserver:sessions:write", handler=end_all,
        summary="End all sessions of a client, and its own tokens", if_match="optional", represents=client,
        answers=_SHOWN, description="The client itself goes on. Every node honours it within 5 seconds.",
    ),
)  # fmt: skip
