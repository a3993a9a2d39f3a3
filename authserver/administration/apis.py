"""Use cases of APIs: add, list, show, edit, remove.

A scope that was removed must not come back into old sessions when it is registered again. So an act that gives scopes
checks after its insert whether an earlier narrowing has yet to reach sessions. If so, it lets that finish first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from authserver.administration.authority import require_scopes
from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, Invalid, NotFound
from authserver.administration.sweeping import Progress, sweep_to_the_end
from authserver.apis import registration, store
from authserver.apis.model import Api, Catalogue, Scope
from authserver.clients import store as clients
from authserver.clients.fields import ACCESS_TOKEN_FORMATS
from authserver.records.audit import Event
from authserver.refusals.problems import Problem

_MOST_ATTEMPTS = 5
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an administrator decides about an API; each scope with the roles that it is bound to, if any."""

    audience: str
    name: str
    client_id: str | None
    scopes: Mapping[str, frozenset[str]]
    access_token_format: str = "jwt"


@dataclass(frozen=True, slots=True)
class Edited:
    """The API as it is now, and how many sessions lost scopes."""

    plan: Plan
    sessions: int


class _Unfinished(Exception):
    """A narrowing has not reached all sessions. This rolls back the act that would give scopes."""


def find(admin: Administration, audience: str) -> Plan:
    """An API with its scopes."""
    with admin.reading() as connection:
        return _find(store.read(connection), audience)


def find_all(admin: Administration) -> list[Plan]:
    """All APIs with their scopes, by audience."""
    with admin.database.autocommit() as connection:
        catalogue = store.read(connection)
    return [_find(catalogue, audience) for audience in catalogue.apis]


def clients_with(admin: Administration, scopes: frozenset[str]) -> list[str]:
    """The clients that are registered for one of these scopes."""
    with admin.database.autocommit() as connection:
        return [row.client_id for row in clients.read_all(connection) if row.scopes & scopes]


def add(admin: Administration, plan: Plan, on_progress: Progress | None = None) -> None:
    """Register an API with its scopes.

    Raises:
        Invalid: audience, name, scopes or roles break rules, or there is no such client.
        Conflict: the audience or a scope is taken.
    """

    def act() -> None:
        with admin.transaction() as connection:
            _check(connection, plan, None)
            _refuse_taken(store.read(connection), plan)
            api = Api(plan.audience, plan.name, plan.client_id, frozenset(plan.scopes), plan.access_token_format)
            store.add(connection, api, list(_scopes(plan).values()))
            _refuse_unfinished(connection)
            admin.record(connection, Event.API_ADDED, subject=plan.audience, detail={"scopes": sorted(plan.scopes)})

    _with_retries(admin, act, on_progress)


def edit(
    admin: Administration, audience: str, change: Callable[[Plan], Plan], on_progress: Progress | None = None
) -> Edited:
    """Change an API. If users lose scopes, their sessions lose them too, once no cache has the old scopes.

    Raises:
        NotFound, Invalid, Conflict.
    """

    def act() -> tuple[Plan, bool]:
        with admin.transaction() as connection:
            # Parallel edits take turns: the second one changes the result of the first.
            store.lock(connection, audience)
            catalogue = store.read(connection)
            before = _find(catalogue, audience)
            # Binding a role to a scope gives the scope to users.
            require_scopes(admin, frozenset(before.scopes), "changing this API")
            admin.check_unchanged(before)
            plan = change(before)
            _check(connection, plan, before)
            _refuse_taken(catalogue, plan, own=audience)
            narrowed = registration.narrows(_scopes(before), _scopes(plan))
            if plan.scopes != before.scopes:
                store.replace_scopes(connection, audience, list(_scopes(plan).values()))
            if registration.narrows(_scopes(plan), _scopes(before)):
                _refuse_unfinished(connection)  # before this edit sets its own mark, which does not count
            if plan != before:
                values: dict[str, object] = {
                    "name": plan.name,
                    "client_id": plan.client_id,
                    "access_token_format": plan.access_token_format,
                }
                store.change(connection, audience, values, narrowed=narrowed)
                detail = {"scopes": sorted(plan.scopes), "narrowed": narrowed}
                admin.record(connection, Event.API_CHANGED, subject=audience, detail=detail)
            return plan, narrowed

    plan, narrowed = _with_retries(admin, act, on_progress)
    return Edited(plan, sweep_to_the_end(admin, on_progress) if narrowed and admin.waits else 0)


def remove(admin: Administration, audience: str, on_progress: Progress | None = None) -> int:
    """Remove an API and take its scopes out of all sessions. Returns how many lost some.

    The scopes go first and the row last. If this is stopped in between, the mark in the row lets the server finish the
    sweep, and the command can be run again.

    Raises:
        NotFound, or Conflict while a client has it as its default.
    """
    if audience in registration.BUILT_IN:
        raise Conflict(f"the API {audience} is the server's own and cannot be removed")
    with admin.transaction() as connection:
        store.lock(connection, audience)
        plan = _find(store.read(connection), audience)
        admin.check_unchanged(plan)
        if users := [row.client_id for row in clients.read_all(connection) if row.default_api == audience]:
            raise Conflict(
                Problem(
                    f"{audience} is the default API of {', '.join(users)}; change that first",
                    for_command_line=f": authserver clients edit {users[0]} --no-default-api",
                )
            )
        if plan.scopes:
            store.replace_scopes(connection, audience, [])
            store.change(connection, audience, {}, narrowed=True)
            admin.record(connection, Event.API_CHANGED, subject=audience, detail={"scopes": [], "narrowed": True})
    changed = sweep_to_the_end(admin, on_progress)
    with admin.transaction() as connection:
        if not store.remove(connection, audience):
            raise Conflict(f"{audience} was changed by somebody else meanwhile", see=f"apis show {audience}")
        admin.record(connection, Event.API_REMOVED, subject=audience, detail={"sessions": changed})
    return changed


def settle(admin: Administration) -> None:
    """Finish earlier narrowings, which takes seconds if there are any. Call it before `add` in a transaction."""
    with admin.database.autocommit() as connection:
        unfinished = bool(store.unswept(connection))
    if unfinished:
        sweep_to_the_end(admin)


def _with_retries(admin: Administration, act: Callable[[], _Result], on_progress: Progress | None) -> _Result:
    if admin.in_transaction:  # the caller's transaction cannot be tried again: an error undoes all of it
        try:
            return act()
        except (_Unfinished, IntegrityError):
            raise Conflict("other administrators changed scopes at the same moment; try again") from None
    for _ in range(_MOST_ATTEMPTS):
        try:
            return act()
        except _Unfinished:
            sweep_to_the_end(admin, on_progress)
        except IntegrityError:
            raise Conflict("the audience or a scope was taken a moment ago", see="apis list") from None
    raise Conflict("other administrators keep narrowing scopes; try again")


def _refuse_unfinished(connection: Connection) -> None:
    if store.unswept(connection):
        raise _Unfinished


def _check(connection: Connection, plan: Plan, before: Plan | None) -> None:
    if problems := list(registration.problems(plan.audience, plan.name, plan.scopes)):
        raise Invalid(*problems)
    is_kept = before is not None and before.access_token_format == plan.access_token_format
    if not is_kept and plan.access_token_format not in ACCESS_TOKEN_FORMATS:  # a kept one may be from a newer version
        raise Invalid(f"must be one of {', '.join(ACCESS_TOKEN_FORMATS)}", field="access_token_format")
    if plan.client_id is not None and clients.read(connection, plan.client_id) is None:
        raise Invalid(f"there is no client {plan.client_id!r}", field="client_id", see="clients list")


def _refuse_taken(catalogue: Catalogue, plan: Plan, *, own: str | None = None) -> None:
    if own is None and plan.audience in catalogue.apis:
        raise Conflict(f"there is an API {plan.audience} already", field="audience", see=f"apis show {plan.audience}")
    for name in plan.scopes:
        owner = catalogue.scopes[name].audience if name in catalogue.scopes else own
        if owner != own:
            raise Conflict(f"the scope {name} belongs to {owner}; a scope has one owner", field="scopes")


def _find(catalogue: Catalogue, audience: str) -> Plan:
    if audience not in catalogue.apis:
        raise NotFound(f"there is no API {audience!r}", see="apis list")
    api = catalogue.apis[audience]
    return Plan(
        api.audience,
        api.name,
        api.client_id,
        {name: catalogue.scopes[name].roles for name in sorted(api.scopes)},
        api.access_token_format or "jwt",
    )


def _scopes(plan: Plan) -> dict[str, Scope]:
    return {name: Scope(name, plan.audience, roles) for name, roles in plan.scopes.items()}
