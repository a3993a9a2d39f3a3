"""`authserver clients add` and `edit`: the options of a registration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import click

from authserver.administration import clients as use_cases
from authserver.administration.clients import Registered
from authserver.cli.clients_print import print_client
from authserver.cli.output import warn
from authserver.cli.programs import Invocation, with_json
from authserver.cli.types import DURATION, Command, changed_words, with_options
from authserver.clients.fields import FIELDS, Field, Input, Registration
from authserver.clients.registration import fill


def registration_options(fields: Mapping[str, Field], *, editing: bool) -> Iterator[Callable[[Command], Command]]:
    """The options of all fields, or of the fields that can be changed."""
    for field in fields.values():
        if not (editing and field.fixed):
            yield from _options(field, editing=editing)


def _options(field: Field, *, editing: bool) -> Iterator[Callable[[Command], Command]]:
    one = field.name.removesuffix("s") if field.is_set else field.name
    flag, noun = one.replace("_", "-"), one.split("_")[-1]
    about = field.edit_help if editing and field.edit_help else field.help
    given: dict[str, Any] = {"metavar": field.metavar}
    if field.choices:
        given["type"] = click.Choice([*field.choices, *([field.unset_word] if field.unset_word else [])])
    elif field.input is Input.DURATION:
        given["type"] = DURATION
    elif field.input is Input.NUMBER:
        given["type"] = int
    if field.is_set:
        given["multiple"] = True
    elif not editing and field.name in ("kind", "name"):  # no kind has a default for them
        given["required"] = True
    else:
        given["default"] = None  # a switch that is not given is not False
    yield click.option(field.option or f"--{flag}", field.name, help=about, **given)
    if editing and field.adds:
        yield click.option(f"--add-{flag}", f"add_{field.name}", help=f"One {noun} more; repeat.", **given)
        yield click.option(f"--remove-{flag}", f"remove_{field.name}", help=f"One {noun} less; repeat.", **given)
    if editing and field.clears:
        yield click.option(f"--no-{flag}", f"no_{field.name}", is_flag=True, help=field.clears)


def _changed(field: Field, before: Any, options: Mapping[str, Any]) -> Any:
    """The value of a field after the options. A field that they do not name keeps its value."""
    given = options.get(field.name)
    if options.get(f"no_{field.name}") or (field.unset_word and given == field.unset_word):
        return None
    if not field.is_set:
        return before if given is None else given
    added, removed = options.get(f"add_{field.name}", ()), options.get(f"remove_{field.name}", ())
    if not (given or added or removed):
        return before
    words = changed_words(field.words(before), given or (), added, removed)
    return words if words or not field.is_optional else None


@click.command()
@with_options(*registration_options(FIELDS, editing=False))
@click.option("--allow-password-grant", is_flag=True, help="Let the app exchange passwords for tokens.")
@with_json
def add(invocation: Invocation, /, **options: Any) -> None:
    """Register a client. If it gets a secret, that is shown once and never again.

    \b
    Kinds:
      web      an app with a server of its own: a secret, refresh tokens
      browser  code in a page: no secret, refresh tokens
      mobile   an app on a device: no secret, refresh tokens
      service  a program that acts for itself: a secret, client_credentials

    \b
    Examples:
      authserver clients add --kind web --name Shop --scope "read write" --allow-password-grant
      authserver clients add --kind mobile --id shop-app --name "Shop app" --scope read --allow-password-grant
      authserver clients add --kind browser --name Shop --scope read --allow-password-grant --origin https://shop.example.com
      authserver clients add --kind service --name Billing --scope invoices --json
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    registration = fill(**{name: _changed(field, None, options) for name, field in FIELDS.items()})
    if options["allow_password_grant"]:
        registration = replace(registration, grants=registration.grants | {"password"})
    registered = use_cases.add(invocation.admin, registration)
    _print(invocation, registered, "Registered")


@click.command()
@click.argument("client_id")
@with_options(*registration_options(FIELDS, editing=True))
@with_json
def edit(invocation: Invocation, /, client_id: str, **options: Any) -> None:
    """Change a client. What no option names stays as it is.

    Every session goes on. Its next refresh cuts its scopes to those of the client. A client that gets an --auth-method
    with a secret for the first time gets a secret, which is shown once.

    \b
    Examples:
      authserver clients edit shop --add-scope orders --remove-scope legacy
      authserver clients edit shop --access-token-lifetime 5m --refresh-idle-lifetime 14d
      authserver clients edit shop --remove-grant password
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled

    def change(before: Registration) -> Registration:
        values = {name: _changed(field, getattr(before, name), options) for name, field in FIELDS.items()}
        return replace(before, **values)

    registered = use_cases.edit(invocation.admin, client_id, change)
    _print(invocation, registered, "Changed")


def _print(invocation: Invocation, registered: Registered, done: str) -> None:
    warn(registered.warnings)
    print_client(invocation, registered.row, f"{done} {registered.row.client_id}.", registered.secret)
