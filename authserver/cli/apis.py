"""`authserver apis`: add, list, show, edit, remove."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from authserver.administration import apis as use_cases
from authserver.administration.apis import Plan
from authserver.administration.errors import Invalid
from authserver.cli.output import confirm, counted, end_progress, print_table, progress, warn, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.cli.types import changed_words, words
from authserver.clients.fields import ACCESS_TOKEN_FORMATS

_NONE_YET = "There are no APIs yet. Register one: authserver apis add https://api.example.com --scope SCOPE"
_Pairs = tuple[tuple[str, str], ...]

_bind_option = click.option(
    "--bind",
    nargs=2,
    multiple=True,
    metavar="SCOPE ROLE",
    help="Open a scope only to users with this role; repeat for more roles. A user needs one of them.",
)


_format_option = click.option(
    "--access-token-format",
    type=click.Choice(list(ACCESS_TOKEN_FORMATS)),
    help="opaque: the API introspects each token [default: jwt].",
)


@click.group()
def apis() -> None:
    """Register APIs (resource servers) by their audience URI, with the scopes that they own."""


@apis.command("list")
@with_json
def list_(invocation: Invocation) -> None:
    """List all APIs."""
    plans = use_cases.find_all(invocation.admin)
    columns = ("audience", "name", "scopes", "client")
    table = [(plan.audience, plan.name, _scopes(plan), plan.client_id) for plan in plans]
    invocation.print_list([_as_document(plan) for plan in plans], columns, table, _NONE_YET)


@apis.command()
@click.argument("audience")
@with_json
def show(invocation: Invocation, audience: str) -> None:
    """Show an API."""
    _print(invocation, use_cases.find(invocation.admin, audience))


@apis.command()
@click.argument("audience")
@click.option("--name", help="Shown to people [default: the audience].")
@click.option("--scope", multiple=True, help="A scope that the API owns; repeat, or several in one text.")
@_bind_option
@click.option("--client", "client_id", metavar="CLIENT_ID", help="The client that the API itself authenticates as.")
@_format_option
@with_json
def add(
    invocation: Invocation,
    audience: str,
    name: str | None,
    scope: tuple[str, ...],
    bind: _Pairs,
    client_id: str | None,
    access_token_format: str | None,
) -> None:
    """Register an API. AUDIENCE is an absolute URI; it becomes the claim `aud` of its access tokens.

    A scope has one owner. It is open to all users unless it is bound to roles.

    \b
    Examples:
      authserver apis add https://api.example.com --scope "read write"
      authserver apis add https://reports.example.com --scope reports --bind reports analyst
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    scopes = _bound({scope: frozenset() for scope in words(scope)}, bind, ())
    shown = name if name is not None else audience[:100]
    plan = Plan(audience, shown, client_id, scopes, access_token_format or "jwt")
    use_cases.add(invocation.admin, plan, progress("sessions swept"))
    end_progress()
    _print(invocation, plan, f"Registered {audience}.")


@apis.command()
@click.argument("audience")
@click.option("--name", help="Shown to people.")
@click.option("--scope", multiple=True, help="Exactly these scopes; repeat, or several in one text.")
@click.option("--add-scope", multiple=True, metavar="SCOPE", help="One scope more; repeat.")
@click.option("--remove-scope", multiple=True, metavar="SCOPE", help="One scope less; repeat.")
@_bind_option
@click.option("--unbind", nargs=2, multiple=True, metavar="SCOPE ROLE", help="Take a role from a scope; repeat.")
@click.option("--client", "client_id", metavar="CLIENT_ID", help="The client that the API itself authenticates as.")
@click.option("--no-client", is_flag=True, help="The API authenticates as no client.")
@_format_option
@with_json
def edit(invocation: Invocation, /, audience: str, **options: Any) -> None:
    """Change an API. What no option names stays as it is.

    A scope that users lose is taken out of their sessions for good. The command first waits a few seconds, until every
    node knows the change. A scope without roles is open to all users.

    \b
    Examples:
      authserver apis edit https://api.example.com --add-scope orders
      authserver apis edit https://api.example.com --bind orders clerk --remove-scope legacy
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled

    def change(before: Plan) -> Plan:
        names = changed_words(frozenset(before.scopes), options["scope"], options["add_scope"], options["remove_scope"])
        kept = {name: before.scopes.get(name, frozenset[str]()) for name in sorted(names)}
        return replace(
            before,
            name=options["name"] or before.name,
            client_id=None if options["no_client"] else options["client_id"] or before.client_id,
            scopes=_bound(kept, options["bind"], options["unbind"]),
            access_token_format=options["access_token_format"] or before.access_token_format,
        )

    before = use_cases.find(invocation.admin, audience)
    edited = use_cases.edit(invocation.admin, audience, change, progress("sessions swept"))
    gone = frozenset(before.scopes) - frozenset(edited.plan.scopes)
    holders = use_cases.clients_with(invocation.admin, gone)
    end_progress()
    _warn_of(holders, "a scope that is gone")
    _print(invocation, edited.plan, f"Changed {audience}; {counted(edited.sessions, 'session')} lost scopes.")


@apis.command()
@click.argument("audience")
@yes_option
@with_json
def remove(invocation: Invocation, audience: str, *, yes: bool) -> None:
    """Remove an API, and take its scopes out of all sessions for good.

    The command first waits a few seconds, until every node knows the change. If it is interrupted, run it again.
    """
    plan = use_cases.find(invocation.admin, audience)
    confirm(f"Remove {audience} with {len(plan.scopes)} scopes for good?", yes=yes)
    holders = use_cases.clients_with(invocation.admin, frozenset(plan.scopes))
    changed = use_cases.remove(invocation.admin, audience, progress("sessions swept"))
    end_progress()
    _warn_of(holders, "its scopes")
    text = f"Removed {audience}; {counted(changed, 'session')} lost scopes."
    invocation.done(text, audience=audience, removed=True, sessions_narrowed=changed)


def _bound(
    scopes: Mapping[str, frozenset[str]], bind: Iterable[tuple[str, str]], unbind: Iterable[tuple[str, str]]
) -> dict[str, frozenset[str]]:
    bound = dict(scopes)
    for scope, role in (*bind, *unbind):
        if scope not in bound:
            raise Invalid(f"the API does not own the scope {scope}: it cannot be bound to {role}")
    for scope, role in bind:
        bound[scope] |= {role}
    for scope, role in unbind:
        bound[scope] -= {role}
    return bound


def _warn_of(clients: Sequence[str], registered_for: str) -> None:
    if clients:
        names = ", ".join(clients)
        warn([f"still registered for {registered_for}: {names} (authserver clients edit CLIENT --remove-scope)"])


def _scopes(plan: Plan) -> str:
    return " ".join(f"{name}({'|'.join(sorted(roles))})" if roles else name for name, roles in plan.scopes.items())


def _as_document(plan: Plan) -> dict[str, Any]:
    return {
        "audience": plan.audience,
        "name": plan.name,
        "client_id": plan.client_id,
        "access_token_format": plan.access_token_format,
        "scopes": [{"scope": name, "roles": roles} for name, roles in sorted(plan.scopes.items())],
    }


def _print(invocation: Invocation, plan: Plan, done: str | None = None) -> None:
    fields = {
        "audience": plan.audience,
        "name": plan.name,
        "client": plan.client_id,
        "access tokens": plan.access_token_format,
    }
    invocation.print_one(_as_document(plan), fields, done)
    if not invocation.as_json:
        click.echo()
        table = [(name, roles or "all users") for name, roles in sorted(plan.scopes.items())]
        empty = f"It owns no scopes. Give it one: authserver apis edit {plan.audience} --add-scope SCOPE"
        print_table(("scope", "open to"), table, empty=empty)
