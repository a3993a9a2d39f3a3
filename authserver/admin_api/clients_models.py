"""A client over the API: the names of RFC 7591 section 2 where it has one, ours where it has none."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from authserver.admin_api.paging import Page
from authserver.admin_api.route import Document, Line, NextPage, unset
from authserver.administration.clients import Registered, registration_of
from authserver.administration.times import iso, iso_of
from authserver.clients.model import ClientRecord

#: From the words of the registration to the members here; all others are the same.
NAMES: Final = {
    "name": "client_name",
    "auth_methods": "token_endpoint_auth_methods",
    "grants": "grant_types",
    "scopes": "scope",
    "default_scopes": "default_scope",
}
_SETS: Final = frozenset({"grants", "auth_methods", "redirect_uris", "contacts", "origins"})
_OURS: Final = {ours: name for name, ours in NAMES.items()}

Kind = Literal["web", "browser", "mobile", "service"]
Grant = Literal["password", "refresh_token", "client_credentials"]
Method = Literal["client_secret_basic", "client_secret_post", "none"]
Name = Annotated[Line, Field(min_length=1, max_length=100)]
Scopes = Annotated[Line, Field(max_length=5000, description="Separated by spaces (RFC 6749 section 3.3).")]
Seconds = Annotated[int, Field(ge=0, le=10**9)]


class ClientChanges(Document):
    """What may be changed of a client. A member that is left out stays as it is; null is the server's setting."""

    client_name: Name = Field(default_factory=unset)
    first_party: bool = Field(
        default_factory=unset, description="Whether you made the app yourself: only then it may see passwords."
    )
    token_endpoint_auth_method: Method = Field(
        default_factory=unset, description="The only method that the client may use (RFC 7591)."
    )
    token_endpoint_auth_methods: list[Method] = Field(
        default_factory=unset, min_length=1, max_length=3, description="The methods that it may use; none stands alone."
    )
    grant_types: list[Grant] = Field(default_factory=unset, min_length=1, max_length=10)
    scope: Scopes = Field(default_factory=unset)
    default_scope: Scopes | None = Field(default=None, description="Granted when a request names none; null: all.")
    default_api: Annotated[Line, Field(max_length=255)] | None = Field(
        default=None, description="Audience of tokens that have no API's scope; null: the issuer."
    )
    redirect_uris: list[Annotated[Line, Field(max_length=500)]] = Field(default_factory=unset, max_length=50)
    contacts: list[Annotated[Line, Field(max_length=254)]] = Field(
        default_factory=unset, max_length=20, description="E-mail addresses of those who look after the app."
    )
    token_delivery: Literal["json", "cookie", "both_cookies"] = Field(
        default_factory=unset, description="How a browser app gets its tokens; cookies need origins."
    )
    origins: list[Annotated[Line, Field(max_length=255)]] = Field(
        default_factory=unset, max_length=50, description="Where the app's pages come from, as https://app.example.com."
    )
    refresh_policy: Literal["rotate", "stable"] = Field(default_factory=unset)
    retry_window: Annotated[int, Field(ge=0, le=300)] | None = Field(
        default=None, description="Seconds in which a refresh may be repeated; 0: strict single use."
    )
    late_retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default_factory=unset, description="Repeats that are allowed after the window."
    )
    refuse_foreign_retries: bool = Field(
        default_factory=unset, description="Refuse a repeat from another address and user agent."
    )
    access_token_lifetime: Seconds | None = Field(default=None, description="In seconds.")
    refresh_idle_lifetime: Seconds | None = Field(
        default=None, description="Seconds without a refresh after which a session ends."
    )
    refresh_absolute_lifetime: Seconds | None = Field(
        default=None, description="Seconds after sign-in at which a session ends."
    )
    max_sessions_per_user: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="One sign-in more ends the oldest session."
    )
    access_token_format: Literal["jwt", "opaque"] | None = Field(
        default=None, description="null: as the API of the token has it."
    )

    def given(self) -> dict[str, Any]:
        """What was sent, in the words of the registration."""
        sent = {_OURS.get(name, name): getattr(self, name) for name in self.model_fields_set if name != "kind"}
        single = sent.pop("token_endpoint_auth_method", None)
        if single is not None and "auth_methods" not in sent:
            sent["auth_methods"] = [single]
        for name in _SETS & sent.keys():
            sent[name] = frozenset(sent[name])
        for name in {"scopes", "default_scopes"} & sent.keys():
            sent[name] = None if sent[name] is None else frozenset(sent[name].split())
        return sent


class ClientValues(ClientChanges):
    """A whole client. What is left out, or null, gets the safe value of its kind, or the server's setting."""

    kind: Kind = Field(description="What kind of app it is; sets safe values.")
    client_name: Name


class ClientCreation(ClientValues):
    """A client to register."""

    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~][A-Za-z0-9._~-]{0,31}$")] = Field(
        default_factory=unset, description="Left out: a random one."
    )


class Client(Document):
    """A client as it is. Times are ISO 8601 in UTC, durations in seconds; null is the server's setting."""

    client_id: str
    client_name: str
    kind: str
    first_party: bool
    token_endpoint_auth_method: str
    token_endpoint_auth_methods: list[str]
    grant_types: list[str]
    scope: str
    default_scope: str | None
    default_api: str | None
    redirect_uris: list[str]
    contacts: list[str]
    token_delivery: str
    origins: list[str]
    refresh_policy: str
    retry_window: int | None
    late_retries: int
    refuse_foreign_retries: bool
    access_token_lifetime: int | None
    refresh_idle_lifetime: int | None
    refresh_absolute_lifetime: int | None
    max_sessions_per_user: int | None
    access_token_format: str | None
    enabled: bool
    previous_secret_expires_at: str | None
    created_at: str
    changed_at: str


class ChangedClient(Client):
    """A client after a change. A new secret is shown this once, and warnings are for what deserves a second thought."""

    client_secret: str | None = None
    client_secret_expires_at: int | None = Field(default=None, description="0: it does not expire (RFC 7591).")
    warnings: list[str]


class ClientList(NextPage):
    """A page of clients, by client_id."""

    items: list[Client]


class ClientQuery(Page):
    """Which clients to list."""

    q: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="Stands somewhere in client_id or client_name, in whatever case."
    )
    kind: Kind | None = None
    enabled: bool | None = None
    scope: Annotated[Line, Field(max_length=100)] | None = Field(default=None, description="May ask for this scope.")


class SecretRotation(Document):
    """How a secret is to be changed."""

    overlap: Annotated[int, Field(ge=0, le=30 * 86_400)] = Field(
        default=86_400,
        description="Seconds that the secret until now stays valid beside the new one; 0 ends it at once.",
    )


def client(row: ClientRecord) -> Client:
    """The representation of a row, and nothing that is not in the row: its ETag is compared under the row's lock."""
    registration = registration_of(row)
    methods = sorted(registration.auth_methods)
    return Client(
        client_id=row.client_id,
        client_name=row.name,
        kind=row.kind,
        first_party=registration.first_party,
        token_endpoint_auth_method=methods[0] if methods else "none",
        token_endpoint_auth_methods=methods,
        grant_types=sorted(row.grants),
        scope=" ".join(sorted(row.scopes)),
        default_scope=None if row.default_scopes is None else " ".join(sorted(row.default_scopes)),
        default_api=row.default_api,
        redirect_uris=sorted(row.redirect_uris or ()),
        contacts=sorted(row.contacts or ()),
        token_delivery=row.token_delivery or "json",
        origins=sorted(row.origins or ()),
        refresh_policy=row.refresh_policy,
        retry_window=row.retry_window,
        late_retries=row.late_retries,
        refuse_foreign_retries=row.refuse_foreign_retries,
        access_token_lifetime=row.access_token_lifetime,
        refresh_idle_lifetime=row.refresh_idle_lifetime,
        refresh_absolute_lifetime=row.refresh_absolute_lifetime,
        max_sessions_per_user=row.max_sessions_per_user,
        access_token_format=row.access_token_format,
        enabled=row.enabled,
        previous_secret_expires_at=iso(row.previous_secret_expires_at),
        created_at=iso_of(row.created_at),
        changed_at=iso_of(row.changed_at),
    )


def changed(registered: Registered) -> ChangedClient:
    """A client after a change, with its secret if it got one."""
    return ChangedClient(
        **client(registered.row).model_dump(),
        client_secret=registered.secret,
        client_secret_expires_at=None if registered.secret is None else 0,
        warnings=[warning.line for warning in registered.warnings],
    )
