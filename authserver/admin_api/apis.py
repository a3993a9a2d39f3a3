"""APIs: list, register, read, change, remove; with their scopes, and the roles that open these.

Proxies change the slashes of a URI in a path. So an API is addressed by its audience in base64url (RFC 4648 section 5,
unpadded): the member `id`.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from authserver import base64url
from authserver.admin_api import paging
from authserver.admin_api.route import MERGE_PATCH, Document, Line, NextPage, Roles, Route, Versioned, unset
from authserver.administration import apis as use_cases
from authserver.administration.apis import Plan
from authserver.administration.context import Administration
from authserver.administration.errors import NotFound
from authserver.apis.registration import AUDIENCE_LENGTH

_READ: Final = "authserver:apis:read"
_WRITE: Final = "authserver:apis:write"

Scopes = Annotated[
    dict[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,100}$")], Roles],
    Field(
        max_length=500,
        description="Each scope with the roles that open it. A scope without roles is open to all users.",
        # Pydantic's pattern for keys does not forbid other keys.
        json_schema_extra={"additionalProperties": False},
    ),
]
Name = Annotated[Line, Field(min_length=1, max_length=100)]
ClientId = Annotated[Line, Field(min_length=1, max_length=32)]
Format = Literal["jwt", "opaque"]


class ApiChanges(Document):
    """What may be changed of an API. A member that is left out stays as it is; `scopes` are replaced as a whole."""

    name: Name = Field(default_factory=unset)
    client_id: ClientId | None = Field(default=None, description="The client that the API itself authenticates as.")
    access_token_format: Format = Field(default_factory=unset)
    scopes: Scopes = Field(default_factory=unset)


class ApiCreation(Document):
    """An API to register."""

    audience: Annotated[
        str,
        Field(
            min_length=3,
            max_length=AUDIENCE_LENGTH,
            pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]+$",
            description="An absolute URI without fragment (RFC 8707), such as https://api.example.com.",
        ),
    ]
    name: Name | None = Field(default=None, description="Shown to people. The default is the audience.")
    client_id: ClientId | None = None
    access_token_format: Format = "jwt"
    scopes: Scopes = Field(default_factory=dict)


class Api(Versioned):
    """An API as it is."""

    id: str
    audience: str
    name: str
    client_id: str | None
    access_token_format: str
    scopes: dict[str, list[str]]


class ApiList(NextPage):
    """A page of APIs, by audience."""

    items: list[Api]


class ChangedApi(Api):
    """An API after a change."""

    aside: ClassVar = frozenset({"warnings"})

    warnings: list[str]


class ApiQuery(paging.Page):
    """Which APIs to list."""

    q: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="A part of the audience or name; case does not matter."
    )


def api(plan: Plan) -> Api:
    """The representation of an API."""
    return Api(**_members(plan))


def list_(admin: Administration, query: ApiQuery) -> ApiList:
    after, text = paging.decode(query.cursor), (query.q or "").casefold()
    # There are few APIs, and every token request reads them all.
    plans = [
        plan
        for plan in sorted(use_cases.find_all(admin), key=lambda plan: plan.audience)
        if (after is None or plan.audience > after) and text in f"{plan.audience}\n{plan.name}".casefold()
    ]
    kept, following = paging.cut(plans, query, lambda plan: plan.audience)
    return ApiList(items=[api(plan) for plan in kept], next=following)


def settle(admin: Administration, body: ApiCreation) -> None:  # noqa: ARG001 - waits for any body
    use_cases.settle(admin)


def create(admin: Administration, body: ApiCreation, prepared: None) -> Api:  # noqa: ARG001 - nothing is prepared
    name = body.name if body.name is not None else body.audience[:100]
    plan = Plan(body.audience, name, body.client_id, _bound(body.scopes), body.access_token_format)
    use_cases.add(admin, plan)
    return api(plan)


def read(admin: Administration, api_id: str) -> Api:
    return api(use_cases.find(admin, _audience(api_id)))


def change(admin: Administration, api_id: str, body: ApiChanges) -> ChangedApi:
    sent = body.model_dump(exclude_unset=True)
    if "scopes" in sent:
        sent["scopes"] = _bound(body.scopes)
    gone: set[str] = set()

    def changing(before: Plan) -> Plan:
        after = replace(before, **sent)
        gone.update(before.scopes.keys() - after.scopes.keys())
        return after

    edited = use_cases.edit(admin, _audience(api_id), changing)
    holders = use_cases.clients_with(admin, frozenset(gone)) if gone else []
    warnings = [f"still registered for a scope that is gone: {', '.join(holders)}"] if holders else []
    return ChangedApi(**_members(edited.plan), warnings=warnings)


def remove(admin: Administration, api_id: str) -> None:
    use_cases.remove(admin, _audience(api_id))


def _members(plan: Plan) -> dict[str, Any]:
    scopes = {name: sorted(roles) for name, roles in sorted(plan.scopes.items())}
    return {**asdict(plan), "id": _id(plan.audience), "scopes": scopes}


def _bound(scopes: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(roles) for name, roles in scopes.items()}


def _id(audience: str) -> str:
    return base64url.encode(audience.encode())


def _audience(api_id: str) -> str:
    try:
        audience = base64url.decode(api_id).decode()
    except ValueError:
        audience = ""
    if not audience or _id(audience) != api_id:
        raise NotFound(f"there is no API of the id {api_id[:40]!r}; it is the audience in base64url, without padding")
    return audience


ROUTES: Final = (
    Route("GET", "/apis", _READ, "List APIs", list_, "A page"),
    Route(
        "POST", "/apis", _WRITE, "Register an API", create, "Registered",
        status=201, location="id", idempotent=True, prepare=settle, errors={409},
        description="Waits some seconds while removed scopes are still in sessions.",
    ),
    Route("GET", "/apis/{api_id}", _READ, "Read an API", read, "The API"),
    Route(
        "PATCH", "/apis/{api_id}", _WRITE, "Change an API", change, "The API now",
        body_types=MERGE_PATCH, represents=api, errors={409},
        description="A scope that users lose is taken out of their sessions for good, within seconds.",
    ),
    Route(
        "DELETE", "/apis/{api_id}", _WRITE, "Remove an API for good", remove, "Removed",
        status=204, represents=api, errors={409},
        description="Waits some seconds, until its scopes are out of all sessions.",
    ),
)  # fmt: skip
