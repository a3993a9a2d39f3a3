"""What a route is: one row of the table from which requests are served and the OpenAPI document is generated.

So every address that is served is documented, and every address that is documented is served.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

#: Where the API is, below the issuer's path.
PREFIX: Final = "/admin/api"
JSON: Final = "application/json"
MERGE_PATCH: Final = ("application/merge-patch+json", JSON)

#: Text as it may reach the database: PostgreSQL takes no NUL. (Pydantic refuses lone surrogates.)
Line = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Roles = Annotated[list[Annotated[Line, Field(min_length=1, max_length=64)]], Field(max_length=100)]


class Document(BaseModel):
    """A JSON object that is received or sent. An unknown member is refused: a typing error must not pass for a change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Versioned(Document):
    """A document with an ETag, which a later If-Match is compared with.

    `aside` names the members that tell of the act and not of its object. They do not count for the ETag.
    """

    aside: ClassVar[frozenset[str]] = frozenset()

    @property
    def etag(self) -> str:
        """An ETag (RFC 9110 section 8.8.3) without its quotation marks: equal only for equal documents."""
        text = json.dumps(self.model_dump(mode="json", exclude=set(self.aside)), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class NextPage(Document):
    """A page of a list. `next` is the address of the following page; null on the last."""

    next: str | None


class Parameters(BaseModel):
    """The query of a request. Texts are converted; an unknown parameter is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is not a document, with headers of its own."""

    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


def unset() -> Any:
    """The default of a member that may be left out but is not null. It is never read: what was sent decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation.

    `scope` is what the access token needs; the documentation has None and needs no token. The types of the handler say
    how requests are read and what the OpenAPI document shows: its `query`, its `body`, and what it returns. A handler
    with `content` gets the body as it was sent. A handler that returns None answers with an empty body. `answer`
    describes the good answer. `location` is the member with which the address of a new object ends.

    `prepare` gets the handler's arguments and runs before the transaction of an idempotent creation; the handler gets its
    result as `prepared`. `represents` makes the document for If-Match from what a use case has locked.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    scope: str | None
    summary: str
    handler: Callable[..., Document | Text | None]
    answer: str
    _: KW_ONLY
    description: str = ""
    status: int = 200
    content_type: str = JSON
    location: str = ""
    body_types: tuple[str, ...] = (JSON,)
    max_body_bytes: int = 0  # if it is more than the setting server.max_body_bytes
    represents: Callable[[Any], Versioned] | None = None
    idempotent: bool = False
    prepare: Callable[..., object] | None = None
    errors: Collection[int] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # of fields that have another name in the body

    @property
    def query(self) -> type[Parameters] | None:
        return _types(self.handler).get("query")

    @property
    def body(self) -> type[Document] | None:
        return _types(self.handler).get("body")

    @property
    def takes_content(self) -> bool:
        return "content" in _types(self.handler)

    @property
    def takes_body(self) -> bool:
        return self.body is not None or self.takes_content

    @property
    def model(self) -> type[Document] | None:
        returned = _types(self.handler)["return"]
        return returned if issubclass(returned, Document) else None

    @property
    def if_match(self) -> Literal["required", "optional"] | None:
        """Required to replace, change or remove something: a caller that has not read it cannot know what is lost."""
        if self.represents is None:
            return None
        return "optional" if self.method == "POST" else "required"

    @property
    def tag(self) -> str:
        return self.path.split("/")[1]

    @property
    def operation_id(self) -> str:
        words = re.findall(r"\w+", self.path)
        return "_".join([self.method.lower(), *words]).replace("-", "_")

    @property
    def rule(self) -> str:
        """The path below `PREFIX`, as Flask writes it."""
        return re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def fields(self) -> dict[str, str]:
        """The member of the body for each field of the use case."""
        ours = {member: name for name, member in self.names.items()}
        return {} if self.body is None else {ours.get(member, member): member for member in self.body.model_fields}


@cache
def _types(handler: Callable[..., object]) -> dict[str, Any]:
    return get_type_hints(handler)
