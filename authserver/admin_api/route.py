"""What a route is: one row of the table that requests are served from and that the OpenAPI document is generated from.

So nothing is served that is not documented, and nothing documented that is not served.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

PREFIX: Final = "/admin/api"
JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"


#: Text as it may reach the database: PostgreSQL takes no NUL. (Lone surrogates are refused by pydantic.)
Line = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Document(BaseModel):
    """What is sent or received. A member that is not known is refused: a typing error must not pass for a change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NextPage(Document):
    """A page of a list. `next` is the address of the following page; null on the last."""

    next: str | None


def unset() -> Any:
    """The default of a member that is not null and may be left out: never read, because what was sent decides."""


class Parameters(BaseModel):
    """The query of a request. Texts are converted; a parameter that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns. `document` is None for an empty body; `text` is for a body that is not JSON.

    `represents` is what the ETag is taken from: what a later If-Match is compared with.
    """

    document: Document | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    represents: Document | None = None
    text: str | None = None
    content_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One kind of good answer, for the OpenAPI document."""

    description: str
    model: type[Document] | None = None
    content_type: str = JSON
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One operation.

    `scope` is what the access token needs; None, which only the documentation itself has, is for everybody. `prepare`
    runs before the transaction of an idempotent creation is opened, with the handler's arguments; what it returns goes
    to the handler as `prepared`. `represents` makes the document that If-Match is about from what a use case locked.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    scope: str | None
    summary: str
    handler: Callable[..., Answer]
    answers: Mapping[int, Content]
    description: str = ""
    query: type[Parameters] | None = None
    body: type[Document] | None = None
    body_types: tuple[str, ...] = (JSON,)
    raw_body: bool = False
    if_match: Literal["required", "optional"] | None = None
    represents: Callable[[Any], Document] | None = None
    idempotent: bool = False
    prepare: Callable[..., object] | None = None
    errors: frozenset[int] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)  # of fields whose members in the body are called otherwise

    @property
    def tag(self) -> str:
        return self.path.split("/")[1]

    @property
    def operation_id(self) -> str:
        words = re.findall(r"\w+", self.path)
        return "_".join([self.method.lower(), *words]).replace("-", "_")

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return PREFIX + re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def fields(self) -> dict[str, str]:
        """The members of the body, by the fields of the use case that they are."""
        ours = {member: name for name, member in self.names.items()}
        return {} if self.body is None else {ours.get(member, member): member for member in self.body.model_fields}

    @property
    def takes_body(self) -> bool:
        return self.body is not None or self.raw_body


def etag(document: Document) -> str:
    """A strong validator (RFC 9110 section 8.8.3): equal only for equal documents. Without its quotation marks."""
    text = json.dumps(document.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
