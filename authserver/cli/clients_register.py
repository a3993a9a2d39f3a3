"""`authserver clients add` and `edit`: the options of a registration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import click

from authserver.administration import clients as use_cases
from authserver.administration.clients import Registered
from authserver.cli.clients_print import as_document, print_client, print_secret
from authserver.cli.output import json_option, print_json, warn
from authserver.cli.programs import Invocation, pass_invocation
from authserver.cli.types import DURATION, changed_words, words
from authserver.clients.authentication import METHODS
from authserver.clients.origins import DELIVERIES
from authserver.clients.registration import ACCESS_TOKEN_FORMATS, GRANTS, KINDS, Registration, fill

Command = TypeVar("Command", bound=Callable[..., Any])

_GRANT = click.Choice(list(GRANTS))
_METHOD = click.Choice(list(METHODS))
#: Options whose value goes into the registration as it is.
_PLAIN = (
    "name", "refresh_policy", "retry_window", "late_retries", "refuse_foreign_retries", "access_token_lifetime",
    "refresh_idle_lifetime", "refresh_absolute_lifetime", "max_sessions_per_user", "token_delivery", "first_party",
)  # fmt: skip

_SHARED = (
    click.option("--default-scope", multiple=True, metavar="SCOPE", help="Granted when a request names none; repeat. [default: all]"),
    click.option("--default-api", metavar="AUDIENCE", help="Audience of tokens that have no API's scope."),
    click.option("--first-party/--third-party", default=None, help="Whether you made the app yourself; only then it may see passwords [default: first-party]."),
    click.option("--redirect-uri", multiple=True, metavar="URI", help="Where a browser may be sent back to, exactly; repeat."),
    click.option("--contact", multiple=True, metavar="EMAIL", help="Who looks after the app; repeat."),
    click.option("--token-delivery", type=click.Choice(DELIVERIES), help="How a browser app gets its tokens [default: cookie for browser with --origin, else json]."),
    click.option("--origin", multiple=True, metavar="URL", help="Where the app's pages come from, as https://app.example.com; repeat."),
    click.option("--refresh-policy", type=click.Choice(["rotate", "stable"]), help="stable keeps one refresh token; for clients with a secret only."),
    click.option("--retry-window", type=DURATION, help="How long a refresh may be repeated; 0 means strict single use."),
    click.option("--late-retries", type=int, help="Repeats allowed after the window [default: 1 for browser and mobile, else 0]."),
    click.option("--refuse-foreign-retries/--accept-foreign-retries", default=None, help="Refuse a repeat from another address and user agent."),
    click.option("--access-token-lifetime", type=DURATION, help="Such as 15m."),
    click.option("--refresh-idle-lifetime", type=DURATION, help="Such as 7d: a session ends after so long without a refresh."),
    click.option("--refresh-absolute-lifetime", type=DURATION, help="Such as 30d: a session ends so long after sign-in."),
    click.option("--max-sessions-per-user", type=int, help="The oldest session ends at one sign-in more."),
    click.option("--access-token-format", type=click.Choice([*ACCESS_TOKEN_FORMATS, "by-api"]), help="opaque: only introspection can read it [default: by-api]."),
    json_option,
)  # fmt: skip


def _registration_options(function: Command) -> Command:
    for option in reversed(_SHARED):
        function = option(function)
    return function


@click.command()
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="What the client is; sets safe values.")
@click.option("--name", required=True, help="Shown to people.")
@click.option("--id", "client_id", metavar="CLIENT_ID", help="1 to 32 letters, digits or . _ ~ - [default: random].")
@click.option("--grant", multiple=True, type=_GRANT, help="Instead of the kind's; repeat.")
@click.option("--allow-password-grant", is_flag=True, help="Let the app exchange passwords; off unless given.")
@click.option("--scope", multiple=True, help="What it may ask for; repeat, or several in one text.")
@click.option("--auth-method", multiple=True, type=_METHOD, help="Instead of the kind's; repeat.")
@_registration_options
@pass_invocation
def add(invocation: Invocation, /, *, as_json: bool, **options: Any) -> None:
    """Register a client. Its secret, if it gets one, is shown once and never again.

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
    registration = fill(
        options["kind"],
        client_id=options["client_id"],
        grants=words(options["grant"]) or None,
        auth_methods=words(options["auth_method"]) or None,
        scopes=words(options["scope"]),
        default_scopes=words(options["default_scope"]) or None,
        default_api=options["default_api"],
        origins=words(options["origin"]) or None,
        redirect_uris=words(options["redirect_uri"]) or None,
        contacts=words(options["contact"]) or None,
        **_given(options),
    )
    if options["allow_password_grant"]:
        registration = replace(registration, grants=registration.grants | {"password"})
    with invocation.administration() as admin:
        registered = use_cases.add(admin, registration)
    _print(registered, as_json=as_json, done="Registered")


@click.command()
@click.argument("client_id")
@click.option("--name", help="Shown to people.")
@click.option("--grant", multiple=True, type=_GRANT, help="Exactly these grants; repeat.")
@click.option("--add-grant", multiple=True, type=_GRANT, help="One grant more; repeat.")
@click.option("--remove-grant", multiple=True, type=_GRANT, help="One grant less; repeat.")
@click.option("--scope", multiple=True, help="Exactly these scopes; repeat, or several in one text.")
@click.option("--add-scope", multiple=True, metavar="SCOPE", help="One scope more; repeat.")
@click.option("--remove-scope", multiple=True, metavar="SCOPE", help="One scope less; repeat.")
@click.option("--auth-method", multiple=True, type=_METHOD, help="Exactly these methods; repeat.")
@click.option("--add-origin", multiple=True, metavar="URL", help="One origin more; repeat.")
@click.option("--remove-origin", multiple=True, metavar="URL", help="One origin less; repeat.")
@click.option("--no-default-scope", is_flag=True, help="Grant all scopes when a request names none.")
@click.option("--no-default-api", is_flag=True, help="The issuer is the audience of tokens without API scopes.")
@_registration_options
@pass_invocation
def edit(invocation: Invocation, /, client_id: str, *, as_json: bool, **options: Any) -> None:
    """Change a client; what is not given stays as it is.

    Sessions go on: what they may do is cut to the client's scopes at their next refresh. A client that gets an
    --auth-method with a secret for the first time is given one, shown once.

    \b
    Examples:
      authserver clients edit shop --add-scope orders --remove-scope legacy
      authserver clients edit shop --access-token-lifetime 5m --refresh-idle-lifetime 14d
      authserver clients edit shop --remove-grant password
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled

    def change(before: Registration) -> Registration:
        values = _given(options)
        scopes = changed_words(before.scopes, options["scope"], options["add_scope"], options["remove_scope"])
        grants = changed_words(before.grants, options["grant"], options["add_grant"], options["remove_grant"])
        methods = words(options["auth_method"]) or before.auth_methods
        default_scopes = words(options["default_scope"]) or before.default_scopes
        default_api = options["default_api"] or before.default_api
        return replace(
            before,
            scopes=scopes,
            grants=grants,
            auth_methods=methods,
            default_scopes=None if options["no_default_scope"] else default_scopes,
            default_api=None if options["no_default_api"] else default_api,
            origins=changed_words(
                before.origins or frozenset(), options["origin"], options["add_origin"], options["remove_origin"]
            )
            or None,
            redirect_uris=words(options["redirect_uri"]) or before.redirect_uris,
            contacts=words(options["contact"]) or before.contacts,
            **values,
        )

    with invocation.administration() as admin:
        registered = use_cases.edit(admin, client_id, change)
    _print(registered, as_json=as_json, done="Changed")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: options[name] for name in _PLAIN if options[name] is not None}
    if options["access_token_format"] is not None:
        by_api = options["access_token_format"] == "by-api"
        given["access_token_format"] = None if by_api else options["access_token_format"]
    return given


def _print(registered: Registered, *, as_json: bool, done: str) -> None:
    warn(registered.warnings)
    row, secret = registered.row, registered.secret
    if as_json:
        print_json({**as_document(row), **({"client_secret": secret} if secret else {})})
        return
    click.echo(f"{done} {row.client_id}.\n")
    print_client(row)
    if secret:
        click.echo()
        print_secret(secret)
