"""Errors as problem details (RFC 9457): what is wrong, in which field, and what to do. Never a traceback.

`type` is a URN that never changes, so programs decide by it. People read `detail`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Response

from authserver.administration.errors import AdminError, Conflict, Forbidden, Invalid, NotFound, Stale

CONTENT_TYPE: Final = "application/problem+json"
URN: Final = "urn:authserver:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, the end of its `type`, its title."""

    status: int
    name: str
    title: str


MALFORMED = Kind(400, "malformed", "The request does not have the form that is documented.")
NO_TOKEN = Kind(401, "unauthenticated", "The request needs a valid access token.")
FORBIDDEN = Kind(403, "forbidden", "The access token does not allow this.")
NOT_FOUND = Kind(404, "not-found", "There is no such thing.")
WRONG_METHOD = Kind(405, "method-not-allowed", "This address does not take this method.")
CONFLICT = Kind(409, "conflict", "It is taken, or not in the state that the act needs.")
STALE = Kind(412, "changed-meanwhile", "It was changed since you read it.")
TOO_LARGE = Kind(413, "too-large", "The request body is too large.")
WRONG_TYPE = Kind(415, "unsupported-media-type", "This address does not take a body of this media type.")
INVALID = Kind(422, "invalid", "The values break rules.")
KEY_REUSED = Kind(422, "idempotency-key-reused", "The Idempotency-Key was used for another request.")
NO_PRECONDITION = Kind(428, "precondition-required", "The request needs If-Match.")
FAILED = Kind(500, "server-error", "The server failed.")
UNAVAILABLE = Kind(503, "temporarily-unavailable", "The server cannot do this now.")

KINDS: Final = (
    MALFORMED, NO_TOKEN, FORBIDDEN, NOT_FOUND, WRONG_METHOD, CONFLICT, STALE, TOO_LARGE, WRONG_TYPE, INVALID,
    KEY_REUSED, NO_PRECONDITION, FAILED, UNAVAILABLE,
)  # fmt: skip

_OF_ERRORS: Final[Mapping[type[AdminError], Kind]] = {
    NotFound: NOT_FOUND, Conflict: CONFLICT, Stale: STALE, Forbidden: FORBIDDEN, Invalid: INVALID,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one member of the body (a JSON pointer, RFC 6901) or with one parameter or header."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def document(self) -> dict[str, str]:
        place = {"field": self.pointer} if self.pointer is not None else {}
        place |= {"parameter": self.parameter} if self.parameter is not None else {}
        return {**place, "detail": self.detail}


@dataclass  # not frozen: context managers set an exception's traceback
class Problem(Exception):
    """An error that becomes the answer. An administrator can look up its `reference`."""

    kind: Kind
    detail: str
    errors: Sequence[FieldProblem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None

    def response(self) -> Response:
        """Make the answer."""
        body: dict[str, Any] = {
            "type": URN + self.kind.name,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [error.document() for error in self.errors]
        if self.reference is not None:
            body["reference"] = self.reference
        headers = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE, **self.headers}
        return Response(json.dumps(body), self.kind.status, headers)


def pointer(*parts: str | int) -> str:
    """A JSON pointer to a member."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def refusal(error: AdminError, fields: Mapping[str, str]) -> Problem:
    """Describe the refusal of a use case. `fields` maps the fields that rules name to members of the body."""
    kind = _OF_ERRORS.get(type(error), INVALID)
    if not isinstance(error, Invalid):
        return Problem(kind, _sentence(error.problems[0].text))
    found = [
        FieldProblem(_sentence(problem.text), pointer(fields[problem.field]))
        if problem.field in fields
        else FieldProblem(_sentence(problem.line))
        for problem in error.problems
    ]
    return Problem(kind, "Nothing was changed.", found)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
