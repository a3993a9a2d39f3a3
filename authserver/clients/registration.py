"""Safe values for each kind of client, and the rules that every registration keeps.

Pure: callers pass the APIs and the server's settings. A rule refuses what cannot work or is unsafe. A warning names what
works but may be a mistake.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from authserver.apis import own_sessions
from authserver.apis.model import Catalogue
from authserver.apis.registration import scope_problem
from authserver.clients import origins, uris
from authserver.clients.fields import FIELDS, KINDS, Input, Registration
from authserver.clients.grants import OWN, gives_a_first_token
from authserver.clients.model import LIFETIMES
from authserver.clients.registry import CLIENT_ID
from authserver.refusals.problems import Problem
from authserver.settings.values import TokenSettings

_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0 and 1, which look alike
# Only the form is checked: this server sends no mail to contacts.
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}")


def fill(kind: str, **given: Any) -> Registration:
    """Make a registration of a kind. Given values other than None replace the safe values and the random client_id.

    The command line, the API and the console use it, so that a kind means the same everywhere.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if kind == "browser" and chosen.get("origins"):
        chosen.setdefault("token_delivery", "cookie")
    safe = KINDS.get(kind, KINDS["web"])  # `problems` refuses an unknown kind, and says what else is wrong
    return Registration(**{"client_id": new_client_id(), **safe, **chosen, "kind": kind})


def new_client_id() -> str:
    """A random client_id. It is shorter than a user's id, and a shell or option parser takes it as it is."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(20))


def problems(
    client: Registration, catalogue: Catalogue, tokens: TokenSettings, *, before: Registration | None = None
) -> list[Problem]:
    """Every rule that a registration breaks.

    An unknown value that it had `before` is accepted: a newer version may have written it, and knows it.
    """
    rules = (
        _identity(client),
        _values(client, before),
        _methods_and_grants(client),
        _user_address(client),
        _scopes(client, catalogue, frozenset() if before is None else before.scopes),
        _sessions(client, tokens),
        uris.problems(client.kind, client.redirect_uris or frozenset()),
        _contacts(client),
        origins.problems(
            client.token_delivery or "json",
            client.origins or frozenset(),
            (before and before.origins) or frozenset(),
            public=client.is_public,
        ),
    )
    return [problem for rule in rules for problem in rule]


def _identity(client: Registration) -> Iterator[Problem]:
    if not CLIENT_ID.fullmatch(client.client_id):
        # A user's id has 36 characters. A client_id of that length could be the same `sub` (RFC 9068 section 5).
        yield Problem("must be 1 to 32 letters, digits or . _ ~ -", "client_id")
    if client.client_id.startswith("-"):
        yield Problem("must not begin with a hyphen, or every command would take it for an option", "client_id")
    if not client.name.strip() or not client.name.isprintable():
        yield Problem(f"must be 1 to {FIELDS['name'].longest} printable characters", "name")


def _values(client: Registration, before: Registration | None) -> Iterator[Problem]:
    """The choices and bounds that the fields declare."""
    for name, field in FIELDS.items():
        value = getattr(client, name)
        unknown = field.words(value) - field.choices.keys() - field.words(getattr(before, name, None))
        if field.choices and unknown:
            listed = _listed(field.choices)
            yield Problem(
                f"there is no {_listed(unknown)}; there are {listed}" if field.is_set else f"must be one of {listed}",
                name,
            )
        if field.input is Input.SOME and not value:
            yield Problem(f"must name at least one of {_listed(field.choices)}", name)
        if field.is_set and field.most and len(field.words(value)) > field.most:
            yield Problem(f"at most {field.most}", name)
        if field.longest and name != "client_id":  # its pattern bounds it
            for word in sorted(word for word in field.words(value) if len(word) > field.longest):
                yield Problem(f"{word[: field.longest]!r} is longer than {field.longest} characters", name)
        is_number = field.input in (Input.NUMBER, Input.DURATION) and value is not None
        if is_number and field.most and not field.least <= value <= field.most:
            unit = " seconds" if field.input is Input.DURATION else ""
            yield Problem(f"must be {field.least} to {field.most}{unit}", name)


def _methods_and_grants(client: Registration) -> Iterator[Problem]:
    if client.is_public and len(client.auth_methods) > 1:
        # An attacker who knows the client_id could leave the secret out.
        yield Problem("none stands alone, or the secret would protect nothing", "auth_methods")
    if client.is_public and (own := client.grants & OWN):
        yield Problem(
            f"{_listed(own)} needs a client with a secret (RFC 6749 section 4.4); a public client has none", "grants"
        )
    if "password" in client.grants and not client.first_party:
        # RFC 6749 section 10.7: the app sees the password, and can do with it all that the user may do.
        yield Problem(
            "the password grant shows users' passwords to the app, so it is for first-party apps only; "
            "leave it out, or set first_party if the app is your own",
            "grants",
        )


def _user_address(client: Registration) -> Iterator[Problem]:
    if client.sends_user_address and client.is_public:
        # Anybody can name a public client, and would choose an address for each guess.
        yield Problem(
            "needs a client with a secret; the users of a public client have addresses of their own",
            "sends_user_address",
        )


def _scopes(client: Registration, catalogue: Catalogue, before: frozenset[str]) -> Iterator[Problem]:
    wanted = (client.scopes | (client.default_scopes or frozenset())) - before
    malformed = {scope: problem for scope in sorted(wanted) if (problem := scope_problem(scope)) is not None}
    yield from (Problem(problem, "scopes") for problem in malformed.values())
    if unknown := client.scopes - catalogue.scopes.keys() - malformed.keys() - before:
        yield Problem(
            f"no API owns {_listed(unknown)}; register the scope with its API first",
            "scopes",
            ": authserver apis add AUDIENCE --scope SCOPE (or apis edit AUDIENCE --add-scope SCOPE)",
        )
    if beyond := (client.default_scopes or frozenset()) - client.scopes:
        yield Problem(f"{_listed(beyond)} is not among the client's scopes", "default_scopes")
    if client.default_api is not None and client.default_api not in catalogue.apis:
        yield Problem(f"there is no API {client.default_api}", "default_api", "; see: authserver apis list")


def _contacts(client: Registration) -> Iterator[Problem]:
    for contact in sorted(client.contacts or ()):
        if not _ADDRESS.fullmatch(contact) or not contact.isprintable():
            yield Problem(f"{contact!r} is no e-mail address; it looks like team@example.com", "contacts")


def _sessions(client: Registration, tokens: TokenSettings) -> Iterator[Problem]:
    if client.refresh_policy == "stable" and client.is_public:
        # A refresh token that never changes is safe only together with a secret (RFC 9700 section 4.14.2).
        yield Problem(
            "stable needs a client with a secret; a public client's refresh tokens must rotate", "refresh_policy"
        )
    counting = []
    for name in LIFETIMES:
        seconds, longest = getattr(client, name), getattr(tokens, f"max_{name}")
        counting.append((name, getattr(tokens, name) if seconds is None else seconds))
        if seconds is not None and not 1 <= seconds <= longest:
            yield Problem(f"must be 1 to {longest} seconds, the server's tokens.max_{name}", name)
    for (short, small), (long, large) in pairwise(counting):
        if small > large:
            yield Problem(f"must be at most {long} ({large} s), and is {small} s", short)


def _listed(words: Mapping[str, Any] | frozenset[str]) -> str:
    return ", ".join(sorted(words))


def warnings(client: Registration, catalogue: Catalogue) -> list[Problem]:
    """What works, but may be a mistake."""
    return list(_warnings(client, catalogue))


def _warnings(client: Registration, catalogue: Catalogue) -> Iterator[Problem]:
    if "password" in client.grants:
        yield Problem(
            "the password grant shows users' passwords to the app, and RFC 9700 section 2.4 forbids it: "
            "use it for first-party apps only"
        )
    if not gives_a_first_token(client.grants):
        yield Problem(
            "the client can refresh but not sign in: no grant gives it a first token",
            for_command_line=" (clients add --allow-password-grant, clients edit --add-grant password)",
        )
    if client.kind == "service" and client.grants - OWN:
        yield Problem("a service acts for itself; grants of users belong to a client of another kind")
    yield from uris.warnings(client.kind, client.redirect_uris or frozenset())
    if not client.scopes:
        yield Problem("the client has no scopes, so its tokens open nothing at an API that asks for one")
    effective = client.scopes if client.default_scopes is None else client.default_scopes
    if len(catalogue.owners(effective) - {own_sessions.AUDIENCE}) > 1:
        yield Problem(
            "the default scopes belong to several APIs: requests must name scope or resource, or set the default scopes "
            "to those of one API"
        )
    if client.kind == "browser" and client.token_delivery in (None, "json"):
        yield Problem(
            "a page that holds its refresh token loses it to any script that gets in (RFC 10017): deliver it in a cookie",
            for_command_line=" (--token-delivery cookie --origin https://…)",
        )
    if client.late_retries > 1:
        yield Problem("each one beyond the first makes a stolen refresh token harder to find out", "late_retries")
    if client.retry_window == 0 and client.refresh_policy == "rotate":
        yield Problem("0, so an app that loses the answer to a refresh is signed out", "retry_window")
