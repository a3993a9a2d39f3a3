"""What a client may be registered as: safe values for each kind, and the rules that every registration keeps.

Pure: it is told which APIs exist and what the server's limits are. Rules refuse what could never work or would be
unsafe; warnings are for what works and deserves a second thought.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Final

from authserver.apis import own_sessions
from authserver.apis.model import Catalogue
from authserver.apis.registration import scope_problem
from authserver.clients import origins, uris
from authserver.clients.authentication import METHODS
from authserver.clients.registry import CLIENT_ID
from authserver.refusals.problems import Problem

#: Grants by name, and whether one gives a client its first token. `refresh_token` only goes on from another grant.
GRANTS: Final[Mapping[str, bool]] = {"password": True, "refresh_token": False, "client_credentials": True}

NAME_LENGTH: Final = 100
#: Signed and readable by every API, or sealed and known by introspection only.
ACCESS_TOKEN_FORMATS: Final = ("jwt", "opaque")
LONGEST_WINDOW: Final = 300  # seconds; a thief who comes within the window stays unseen, so it is kept short
MOST_LATE_RETRIES: Final = 10
MOST_CONTACTS: Final = 20
_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # none that are read for one another
# Plausible, not deliverable: nothing is sent there by this server.
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}")
_MOST_SESSIONS: Final = 1_000_000

_SECRET_METHODS: Final = frozenset({"client_secret_basic", "client_secret_post"})
_PUBLIC: Final = {"auth_methods": frozenset({"none"}), "grants": frozenset({"refresh_token"})}

#: Safe values by kind. Apps that the system kills in mid-request, or whose page is closed, lose answers and come late:
#: one late retry saves them from nearly all false sign-outs (DESIGN section 5). No kind has the password grant.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "web": {"auth_methods": _SECRET_METHODS, "grants": frozenset({"refresh_token"}), "late_retries": 0},
    "browser": {**_PUBLIC, "late_retries": 1},
    "mobile": {**_PUBLIC, "late_retries": 1},
    "service": {"auth_methods": _SECRET_METHODS, "grants": frozenset({"client_credentials"}), "late_retries": 0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an administrator decides about a client. In seconds; None means the server's setting."""

    client_id: str
    name: str
    kind: str
    auth_methods: frozenset[str]
    grants: frozenset[str]
    scopes: frozenset[str] = frozenset()
    default_scopes: frozenset[str] | None = None
    default_api: str | None = None
    refresh_policy: str = "rotate"
    retry_window: int | None = None
    late_retries: int = 0
    refuse_foreign_retries: bool = False
    access_token_lifetime: int | None = None
    refresh_idle_lifetime: int | None = None
    refresh_absolute_lifetime: int | None = None
    max_sessions_per_user: int | None = None
    access_token_format: str | None = None  # None: as the API of the token has it
    redirect_uris: frozenset[str] | None = None
    contacts: frozenset[str] | None = None
    first_party: bool = True  # made by whoever runs this server: the only apps that may see users' passwords
    token_delivery: str | None = None  # None: json
    origins: frozenset[str] | None = None

    @property
    def is_public(self) -> bool:
        return "none" in self.auth_methods

    def columns(self) -> dict[str, Any]:
        """The columns of the client's row, by name."""
        return asdict(self)


#: The columns that an administrator decides about; all others are the server's own.
FIELDS: Final = tuple(field.name for field in fields(Registration))


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The server's default for one lifetime, and the longest that a client may be set to; in seconds."""

    default: int
    longest: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's lifetimes, which cap a client's own."""

    access_token: Lifetime
    refresh_idle: Lifetime
    refresh_absolute: Lifetime


def fill(kind: str, **given: Any) -> Registration:
    """A registration of a kind: its safe values, a random client_id, and over them what is given and not None.

    For the command line, the API and the console alike, so that a kind means the same everywhere.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if kind == "browser" and chosen.get("origins"):
        chosen.setdefault("token_delivery", "cookie")
    safe = KINDS.get(kind, KINDS["web"])  # a kind that there is not is refused by `check`, with all else
    return Registration(**{"client_id": new_client_id(), **safe, **chosen, "kind": kind})


def new_client_id() -> str:
    """A random client_id: shorter than a user's id, and without signs that a shell or an option parser reads."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(20))


def problems(client: Registration, catalogue: Catalogue, limits: Limits) -> list[Problem]:
    """Every rule that a registration breaks."""
    rules = (
        _identity(client),
        _authentication(client),
        _grants(client),
        _scopes(client, catalogue),
        _policy(client),
        _lifetimes(client, limits),
        uris.problems(client.kind, client.redirect_uris or frozenset()),
        _contacts(client),
        origins.problems(client.token_delivery or "json", client.origins or frozenset(), public=client.is_public),
    )
    return [problem for rule in rules for problem in rule]


def _identity(client: Registration) -> Iterator[Problem]:
    if not CLIENT_ID.fullmatch(client.client_id):
        # A user's id has 36 characters: a client_id that long could be equal to one as `sub` (RFC 9068 section 5).
        yield Problem("must be 1 to 32 letters, digits or . _ ~ -", "client_id")
    if client.client_id.startswith("-"):
        yield Problem("must not begin with a hyphen, or every command would take it for an option", "client_id")
    if not 1 <= len(client.name.strip()) <= NAME_LENGTH or not client.name.isprintable():
        yield Problem(f"must be 1 to {NAME_LENGTH} printable characters", "name")
    if client.kind not in KINDS:
        yield Problem(f"must be one of {_listed(KINDS)}", "kind")


def _authentication(client: Registration) -> Iterator[Problem]:
    if not client.auth_methods:
        yield Problem(f"must name at least one of {_listed(METHODS)}", "auth_methods")
    if unknown := client.auth_methods - METHODS.keys():
        yield Problem(f"there is no {_listed(unknown)}; there are {_listed(METHODS)}", "auth_methods")
    if client.is_public and len(client.auth_methods) > 1:
        # Whoever knows the client_id could leave the secret out.
        yield Problem("none stands alone, or the secret would protect nothing", "auth_methods")


def _grants(client: Registration) -> Iterator[Problem]:
    if not client.grants:
        yield Problem(f"must name at least one of {_listed(GRANTS)}", "grants")
    if unknown := client.grants - GRANTS.keys():
        yield Problem(f"there is no {_listed(unknown)}; there are {_listed(GRANTS)}", "grants")
    if client.is_public and "client_credentials" in client.grants:
        yield Problem(
            "client_credentials needs a client with a secret (RFC 6749 section 4.4); a public client has none", "grants"
        )
    if "password" in client.grants and not client.first_party:
        # RFC 6749 section 10.7: the app sees the password itself, and with it everything the user may do.
        yield Problem(
            "the password grant shows users' passwords to the app, so it is for first-party apps only; "
            "leave it out, or set first_party if the app is your own",
            "grants",
        )


def _scopes(client: Registration, catalogue: Catalogue) -> Iterator[Problem]:
    wanted = client.scopes | (client.default_scopes or frozenset())
    malformed = {scope: problem for scope in sorted(wanted) if (problem := scope_problem(scope)) is not None}
    yield from (Problem(problem, "scopes") for problem in malformed.values())
    if unknown := client.scopes - catalogue.scopes.keys() - malformed.keys():
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
    contacts = client.contacts or frozenset()
    if len(contacts) > MOST_CONTACTS:
        yield Problem(f"at most {MOST_CONTACTS}", "contacts")
    for contact in sorted(contacts):
        if not _ADDRESS.fullmatch(contact) or not contact.isprintable():
            yield Problem(f"{contact!r} is no e-mail address; it looks like team@example.com", "contacts")


def _policy(client: Registration) -> Iterator[Problem]:
    if client.refresh_policy not in ("rotate", "stable"):
        yield Problem("must be rotate or stable", "refresh_policy")
    if client.refresh_policy == "stable" and client.is_public:
        # A refresh token that never changes is safe only where a secret must come with it (RFC 9700 section 4.14.2).
        yield Problem(
            "stable needs a client with a secret; a public client's refresh tokens must rotate", "refresh_policy"
        )
    if client.access_token_format not in (None, *ACCESS_TOKEN_FORMATS):
        yield Problem(f"must be one of {_listed(frozenset(ACCESS_TOKEN_FORMATS))}", "access_token_format")
    if client.retry_window is not None and not 0 <= client.retry_window <= LONGEST_WINDOW:
        yield Problem(f"must be 0 to {LONGEST_WINDOW} seconds", "retry_window")
    if not 0 <= client.late_retries <= MOST_LATE_RETRIES:
        yield Problem(f"must be 0 to {MOST_LATE_RETRIES}", "late_retries")
    if client.max_sessions_per_user is not None and not 1 <= client.max_sessions_per_user <= _MOST_SESSIONS:
        yield Problem(f"must be 1 to {_MOST_SESSIONS}", "max_sessions_per_user")


def _lifetimes(client: Registration, limits: Limits) -> Iterator[Problem]:
    lifetimes = (
        ("access_token_lifetime", client.access_token_lifetime, limits.access_token),
        ("refresh_idle_lifetime", client.refresh_idle_lifetime, limits.refresh_idle),
        ("refresh_absolute_lifetime", client.refresh_absolute_lifetime, limits.refresh_absolute),
    )
    for name, seconds, limit in lifetimes:
        if seconds is not None and not 1 <= seconds <= limit.longest:
            yield Problem(f"must be 1 to {limit.longest} seconds, the server's tokens.max_{name}", name)
    counting = [(name, limit.default if seconds is None else seconds) for name, seconds, limit in lifetimes]
    for (short, small), (long, large) in pairwise(counting):
        if small > large:
            yield Problem(f"must be at most {long} ({large} s), and is {small} s", short)


def _listed(words: Mapping[str, Any] | frozenset[str]) -> str:
    return ", ".join(sorted(words))


def warnings(client: Registration, catalogue: Catalogue) -> list[Problem]:
    """What holds, and yet may not be what was meant."""
    return list(_warnings(client, catalogue))


def _warnings(client: Registration, catalogue: Catalogue) -> Iterator[Problem]:
    if "password" in client.grants:
        yield Problem(
            "the password grant shows users' passwords to the app, and RFC 9700 section 2.4 forbids it: "
            "use it for first-party apps only"
        )
    if not any(GRANTS.get(grant) for grant in client.grants):
        yield Problem(
            "the client can refresh but not sign in: no grant gives it a first token",
            for_command_line=" (clients add --allow-password-grant, clients edit --add-grant password)",
        )
    if client.kind == "service" and client.grants - {"client_credentials"}:
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
