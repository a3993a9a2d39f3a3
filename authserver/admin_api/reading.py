"""Read a request strictly: one JSON document that repeats no member, each parameter once, and nothing unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from authserver.admin_api.problems import MALFORMED, TOO_LARGE, WRONG_TYPE, FieldProblem, Problem, pointer
from authserver.admin_api.route import Parameters, Route

Model = TypeVar("Model", bound=BaseModel)

#: What to do about an error of pydantic, by its type.
_ADVICE = {
    "missing": "is required",
    "extra_forbidden": "is not known here; leave it out, or check its spelling",
}


def read_query(model: type[Parameters] | None) -> Parameters | None:
    """Read the parameters of the query.

    Raises:
        Problem: a parameter is unknown or repeated, or its value is not allowed.
    """
    try:
        pairs = parse_qsl(
            request.query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50
        )
    except (UnicodeDecodeError, ValueError):
        raise Problem(MALFORMED, "The query is not UTF-8 in percent encoding.") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        raise Problem(MALFORMED, "A query parameter may be sent once.")
    errors = [
        FieldProblem("may not contain a NUL character", parameter=name) for name in values if "\0" in values[name]
    ]
    if model is None:
        errors += [FieldProblem("is not known here", parameter=name) for name in values]
    if errors:
        raise Problem(MALFORMED, "Query parameters are wrong.", errors)
    try:
        return None if model is None else model.model_validate(values)
    except ValidationError as error:
        wrong = [
            FieldProblem(_text(item), parameter=str(item["loc"][0]) if item["loc"] else None) for item in _items(error)
        ]
        raise Problem(MALFORMED, "Query parameters are wrong.", wrong) from None


def read_raw(route: Route) -> bytes:
    """Read the body.

    Raises:
        Problem: the body has a media type that the route does not take, is too large or breaks off.
    """
    if request.mimetype not in route.body_types:
        listed = " or ".join(route.body_types)
        raise Problem(WRONG_TYPE, f"Send the body as {listed}.", headers={"Accept": ", ".join(route.body_types)})
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem(WRONG_TYPE, "Send the body in UTF-8.")
    request.max_content_length = max(route.max_body_bytes, request.max_content_length or 0)
    try:
        return request.get_data(cache=False)
    except HTTPException as error:
        if error.code == TOO_LARGE.status:
            raise Problem(TOO_LARGE, f"The limit is {request.max_content_length:,} bytes.") from None
        raise Problem(MALFORMED, "The body could not be read.") from None


def read_document(body: bytes, model: type[Model]) -> Model:
    """Read a body as a JSON document.

    Raises:
        Problem: the body is not JSON, or members are repeated, unknown, missing or of the wrong type.
    """
    try:
        loaded = json.loads(body, object_pairs_hook=_once, parse_float=_number, parse_constant=_no_constant)
    except RecursionError:
        raise Problem(MALFORMED, "The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise _no_json("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _no_json(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except ValueError:
        raise _no_json("a number is too long") from None
    try:
        return model.model_validate_json(json.dumps(loaded))
    except ValidationError as error:
        errors = [FieldProblem(_text(item), pointer(*item["loc"])) for item in _items(error)]
        raise Problem(
            MALFORMED, "Members of the document are missing, not known or of the wrong type.", errors
        ) from None


def _once(pairs: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:  # some readers take the first, others the last
            raise _no_json(f"the member {name[:100]!r} stands there twice")
        members[name] = value
    return members


def _number(text: str) -> float:
    """JSON has one kind of number, and 8.0 is the integer 8 (JSON Schema 2020-12, section 6.1.1 of validation)."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _no_constant(name: str) -> float:
    raise _no_json(f"{name} is no JSON")


def _no_json(why: str) -> Problem:
    return Problem(MALFORMED, f"The body is no JSON document: {why}.")


def _items(error: ValidationError) -> list[Any]:
    return error.errors(include_url=False, include_context=False, include_input=False)[:50]


def _text(item: Mapping[str, Any]) -> str:
    text = _ADVICE.get(str(item["type"]))
    if text is not None:
        return text
    if item["type"] == "string_pattern_mismatch" and item["loc"]:
        return "has characters that are not allowed, or not the documented form"
    message = str(item["msg"])
    return message.removeprefix("Value error, ")
