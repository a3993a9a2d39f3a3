"""The documents of a client. Their members have the names of RFC 7591 section 2, if it has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, Field, conlist, create_model

from authserver.admin_api.paging import Page
from authserver.admin_api.route import Document, Line, NextPage, Versioned, unset
from authserver.administration.clients import Registered, registration_of
from authserver.clients.fields import FIELDS, Input
from authserver.clients.fields import Field as DeclaredField
from authserver.clients.model import ClientRecord
from authserver.database.times import iso, iso_of

#: The member of each field.
NAMES: Final = {name: field.member for name, field in FIELDS.items()}

Model = TypeVar("Model", bound=type[BaseModel])
Members = Mapping[str, Any]


def with_members(members: Members) -> Callable[[Model], Model]:
    """Add members that are made from the declared fields: the type of each, and pydantic's `Field`."""

    def give(model: Model) -> Model:
        return create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=__name__, **members)  # type: ignore[return-value]

    return give


def changeable(fields: Mapping[str, DeclaredField]) -> Members:
    """The members with which a client is changed. Null unsets a field that may be unset."""
    found: dict[str, Any] = {}
    for field in fields.values():
        about: Any = {"description": field.about} if field.about else {}
        if field.is_nullable:
            found[field.member] = (_type(field) | None, Field(default=None, **about))
        elif not field.fixed:
            found[field.member] = (_type(field), Field(default_factory=unset, **about))
    return found


def readable(fields: Mapping[str, DeclaredField]) -> Members:
    """The members of a client as it is. A newer version may have stored other choices, so choices are texts here."""
    types = {Input.SWITCH: bool, Input.NUMBER: int, Input.DURATION: int}
    found: dict[str, Any] = {}
    for field in fields.values():
        type_: Any = list[str] if field.is_set and not field.is_joined else types.get(field.input, str)
        found[field.member] = (type_ | None if field.is_nullable else type_, ...)
    return found


def _one_of(field: DeclaredField) -> Any:
    return Literal[tuple(field.choices)]


def _type(field: DeclaredField) -> Any:
    """What may be sent of a field."""
    match field.input:
        case Input.WORDS if field.is_joined:
            return Annotated[Line, Field(max_length=5000, description="Separated by spaces (RFC 6749 section 3.3).")]
        case Input.WORDS:
            return Annotated[list[Annotated[Line, Field(max_length=field.longest)]], Field(max_length=field.most)]
        case Input.SOME:
            return conlist(_one_of(field), min_length=1, max_length=field.most)
        case Input.ONE:
            return _one_of(field)
        case Input.SWITCH:
            return bool
        case Input.TEXT:
            return Annotated[Line, Field(min_length=field.least or None, max_length=field.longest)]
        case _:
            return Annotated[int, Field(ge=field.least, le=field.most or 10**9)]


@with_members(
    {
        "token_endpoint_auth_method": (
            _one_of(FIELDS["auth_methods"]),
            Field(default_factory=unset, description="The only method that the client may use (RFC 7591)."),
        ),
        **changeable(FIELDS),
    }
)
class ClientChanges(Document):
    """What may be changed of a client. A member that is left out stays as it is; null is the server's setting."""

    def given(self) -> dict[str, Any]:
        """What was sent, by the fields' names."""
        sent = self.model_dump(exclude_unset=True)
        values = {name: sent[member] for name, member in NAMES.items() if member in sent}
        if "token_endpoint_auth_method" in sent:
            values.setdefault("auth_methods", [sent["token_endpoint_auth_method"]])
        for name, field in FIELDS.items():
            if field.is_set and values.get(name) is not None:
                values[name] = frozenset(values[name].split() if field.is_joined else values[name])
        return values


_KIND: Final = _type(FIELDS["kind"])


@with_members({"kind": (_KIND, Field(description=FIELDS["kind"].about)), "client_name": (_type(FIELDS["name"]), ...)})
class ClientValues(ClientChanges):
    """A whole client. What is left out, or null, gets the safe value of its kind, or the server's setting."""


class ClientCreation(ClientValues):
    """A client to register."""

    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~][A-Za-z0-9._~-]{0,31}$")] = Field(
        default_factory=unset, description="Left out: a random one."
    )


@with_members(readable(FIELDS))
class Client(Versioned):
    """A client as it is. Times are ISO 8601 in UTC, durations in seconds; null is the server's setting."""

    token_endpoint_auth_method: str
    enabled: bool
    previous_secret_expires_at: str | None
    created_at: str
    changed_at: str


class ChangedClient(Client):
    """A client after a change. Only this answer shows a new secret. Warnings name values that may be unwise."""

    aside: ClassVar = frozenset({"client_secret", "client_secret_expires_at", "warnings"})

    client_secret: str | None = None
    client_secret_expires_at: int | None = Field(default=None, description="0: it does not expire (RFC 7591).")
    warnings: list[str]


class ClientList(NextPage):
    """A page of clients, by client_id."""

    items: list[Client]


@with_members({"kind": (_KIND | None, None)})
class ClientQuery(Page):
    """Which clients to list."""

    q: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="A part of client_id or client_name; case does not matter."
    )
    kind: str | None = None
    enabled: bool | None = None
    scope: Annotated[Line, Field(max_length=100)] | None = Field(default=None, description="A scope of the client.")


class SecretRotation(Document):
    """How a secret is to be changed."""

    overlap: Annotated[int, Field(ge=0, le=30 * 86_400)] = Field(
        default=86_400,
        description="Seconds for which the old secret stays valid beside the new one; 0 ends it at once.",
    )


def client(row: ClientRecord) -> Client:
    """Describe a row by the row alone: its ETag is compared under the row's lock."""
    return Client(**_members(row))


def changed(registered: Registered) -> ChangedClient:
    """A client after a change, with its secret if it got one."""
    return ChangedClient(
        **_members(registered.row),
        client_secret=registered.secret,
        client_secret_expires_at=None if registered.secret is None else 0,
        warnings=[warning.line for warning in registered.warnings],
    )


def _members(row: ClientRecord) -> dict[str, Any]:
    registration = registration_of(row)
    values = {field.member: _shown(field, getattr(registration, name)) for name, field in FIELDS.items()}
    return {
        **values,
        "token_endpoint_auth_method": next(iter(values["token_endpoint_auth_methods"]), "none"),
        "enabled": row.enabled,
        "previous_secret_expires_at": iso(row.previous_secret_expires_at),
        "created_at": iso_of(row.created_at),
        "changed_at": iso_of(row.changed_at),
    }


def _shown(field: DeclaredField, value: Any) -> Any:
    value = field.stand_in if value is None else value
    if value is None or not field.is_set:
        return value
    return " ".join(sorted(value)) if field.is_joined else sorted(value)
