"""The documentation of the API: the OpenAPI document for programs, and the same as a page for people.

The page has no scripts. It works under the strictest policy, on a phone and with a screen reader, and never asks for a
token.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask import current_app

from authserver.admin_api import openapi
from authserver.admin_api.route import PREFIX, Route, Text
from authserver.administration.context import Administration
from authserver.urls import path_of

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
_HTML = "text/html; charset=utf-8"


def routes(resources: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes that document the other routes. They need no token: the software is public too."""

    def document(admin: Administration) -> Text:
        return Text(openapi.rendered(resources, path_of(admin.settings.issuer)))

    def page(admin: Administration) -> Text:
        return Text(_page(resources, path_of(admin.settings.issuer)), {"Content-Security-Policy": _POLICY})

    return (
        Route("GET", "/openapi.json", None, "The OpenAPI document", document, "OpenAPI 3.1"),
        Route("GET", "/docs", None, "This documentation", page, "A page", content_type=_HTML),
    )


@cache
def _page(resources: tuple[Route, ...], base: str) -> str:
    document = openapi.document(resources, base)
    return current_app.jinja_env.get_template("admin_api/reference.html").render(
        document=document,
        groups={tag["name"]: [route for route in resources if route.tag == tag["name"]] for tag in document["tags"]},
        kind=_kind,
        curl=_curl,
        dereferenced=_dereferenced,
    )


def _kind(schema: dict[str, Any]) -> str:
    """Describe a schema in a few words, such as: array of string, at most 50."""
    if "anyOf" in schema:
        return " or ".join(_kind(branch) for branch in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    words = str(schema.get("type", "anything"))
    if words == "array":
        words += f" of {_kind(schema.get('items', {}))}"
    limits = (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"), ("maxItems", "at most"))
    bounds = " ".join(f"{word} {schema[name]}" for name, word in limits if name in schema)
    return f"{words}, {bounds}" if bounds else words


def _dereferenced(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
    found: dict[str, Any] = document["components"]["schemas"].get(name, schema)
    return found


def _curl(route: Route) -> str:
    lines = [f"curl -X {route.method} $AUTHSERVER{PREFIX}{route.path}", '-H "Authorization: Bearer $TOKEN"']
    if route.if_match == "required":
        lines.append("-H 'If-Match: \"…\"'")
    if route.idempotent:
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if route.takes_body:
        lines.append(f"-H 'Content-Type: {route.body_types[0]}'")
        lines.append(f"-d '{json.dumps(_example(route))}'" if route.body is not None else "--data-binary @file")
    return " \\\n  ".join(lines)


def _example(route: Route) -> dict[str, Any]:
    if route.body is None:
        return {}
    schema = route.body.model_json_schema()
    names = schema.get("required") or list(schema["properties"])[:1]
    return {name: schema["properties"][name].get("enum", ["…"])[0] for name in names}
