"""The OpenAPI 3.1 document, generated from the table of routes and from the models that they read and answer with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from authserver import __version__
from authserver.admin_api import idempotency, problems
from authserver.admin_api.paging import Page
from authserver.admin_api.route import JSON, PREFIX, Route, Versioned
from authserver.apis.administration import AUDIENCE, SCOPES

_REF: Final = "#/components/schemas/{model}"
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "ETag": {"description": "Send it as If-Match with a change.", "required": True, "schema": {"type": "string"}},
    "Location": {"description": "Where it can be read.", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "RFC 6750 section 3.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "string"}},
}
_ERROR_TEXTS: Final = {
    400: "The request does not have the documented form.",
    401: "The access token is missing or invalid.",
    403: "The token lacks the scope, or the act concerns authority that the token lacks.",
    404: "There is no such thing.",
    409: "Taken, or not in the state that the act needs.",
    412: "Changed since it was read (If-Match).",
    413: "The body is larger than the route takes.",
    415: "The body has another media type.",
    422: "The values break rules; or the Idempotency-Key was used for another request.",
    428: "If-Match is required.",
    503: "The database or the password hashing is busy.",
}


@cache
def rendered(resources: tuple[Route, ...], base: str) -> str:
    """Render the document as text."""
    return json.dumps(document(resources, base), ensure_ascii=False)


def document(resources: Sequence[Route], base: str) -> dict[str, Any]:
    """Make the document. `base` is the issuer's path."""
    schemas = _schemas(resources)
    paths: dict[str, dict[str, Any]] = {}
    for route in resources:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "authserver administration",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                f"Get a token for the audience `{AUDIENCE}` with the scopes that you need, and send it as a bearer "
                "token. Errors are problem details (RFC 9457)."
            ),
        },
        "servers": [{"url": base + PREFIX}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in resources)],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "responses": {str(status): _problem_response(status) for status in _ERROR_TEXTS},
            "securitySchemes": {
                "oauth": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": f"{base}/token", "scopes": dict(SCOPES)}},
                }
            },
        },
    }


def error_statuses(route: Route) -> set[int]:
    """List the statuses of the problems that a route may answer with."""
    statuses = {400, 503, *route.errors}
    if route.scope is not None:
        statuses |= {401, 403}
    if route.path_parameters:
        statuses.add(404)
    if route.query is not None and issubclass(route.query, Page):
        statuses.add(422)  # a cursor of the right form that belongs to another list
    if route.takes_body:
        statuses |= {413, 415, 422}
    if route.if_match is not None:
        statuses |= {412} | ({428} if route.if_match == "required" else set())
    if route.idempotent:
        statuses |= {409, 422}
    return statuses


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route, schemas),
        "responses": {
            str(route.status): _success(route),
            **{str(s): {"$ref": f"#/components/responses/{s}"} for s in sorted(error_statuses(route))},
        },
    }
    if route.description:
        operation["description"] = route.description
    operation["security"] = [] if route.scope is None else [{"oauth": [route.scope]}]
    if route.takes_body:
        schema = {"type": "string"} if route.body is None else _ref(route.body)
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": schema} for kind in route.body_types},
        }
    return operation


def _parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.path_parameters
    ]
    if route.query is not None:
        schema = schemas[route.query.__name__]
        for name, member in schema["properties"].items():
            required = name in schema.get("required", ())
            parameter = {"name": name, "in": "query", "required": required, "schema": _not_null(member)}
            found.append({**parameter, **{key: member[key] for key in ("description",) if key in member}})
    if route.if_match is not None:
        found.append(_header("If-Match", "The ETag that was read, or *.", required=route.if_match == "required"))
    if route.idempotent:
        text = "Any unique text, such as a UUID. A repetition within 24 hours creates nothing and gets the same answer."
        found.append(_header(idempotency.HEADER, text, required=False, pattern=idempotency.PATTERN))
    return found


def _header(name: str, text: str, *, required: bool, **schema: Any) -> dict[str, Any]:
    shape = {"type": "string", "minLength": 1, **schema}
    return {"name": name, "in": "header", "required": required, "description": text, "schema": shape}


def _not_null(member: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter without null: it is sent with a value, or left out."""
    kept = {name: value for name, value in member.items() if name not in ("default", "title", "description")}
    if "anyOf" in kept:
        (kept,) = [branch for branch in kept["anyOf"] if branch != {"type": "null"}]
    if member.get("default") is not None:
        kept["default"] = member["default"]
    return kept


def _success(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.answer}
    headers = ["ETag"] if route.model is not None and issubclass(route.model, Versioned) else []
    headers += ["Location"] if route.location else []
    if headers:
        answer["headers"] = {name: _HEADERS[name] for name in headers}
    if route.model is not None:
        answer["content"] = {route.content_type: {"schema": _ref(route.model)}}
    elif route.content_type != JSON:
        answer["content"] = {route.content_type: {"schema": {"type": "string"}}}
    return answer


def _problem_response(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _ERROR_TEXTS[status],
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    # No challenge at 403: the rules of authority answer it too, and another token with the same scopes does not help.
    header = {401: "WWW-Authenticate", 503: "Retry-After"}.get(status)
    return answer if header is None else {**answer, "headers": {header: _HEADERS[header]}}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(resources: Sequence[Route]) -> dict[str, Any]:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for route in resources:
        models |= {(model, "validation"): None for model in (route.body, route.query) if model is not None}
        models |= {} if route.model is None else {(route.model, "serialization"): None}
    _, definitions = models_json_schema(list(models), ref_template=_REF)
    found: dict[str, Any] = definitions["$defs"]
    return found


_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457. Programs decide by `type`, people read `detail`.",
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "enum": [problems.URN + kind.name for kind in problems.KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "additionalProperties": False,
                "properties": {
                    "field": {"type": "string", "description": "JSON pointer (RFC 6901) to a member of the body."},
                    "parameter": {"type": "string", "description": "A parameter of the query, or a header."},
                    "detail": {"type": "string", "description": "What is wrong, and what to do."},
                },
            },
        },
        "reference": {"type": "string", "description": "For POST /references, or `authserver why`."},
    },
}
