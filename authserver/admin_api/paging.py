"""Pages of lists. A cursor says where the last page ended, not how many items to skip: new items shift no page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from flask import request
from pydantic import Field

from authserver import base64url
from authserver.admin_api.problems import INVALID, FieldProblem, Problem
from authserver.admin_api.route import Parameters

Item = TypeVar("Item")
MOST = 200


class Page(Parameters):
    """The parameters of every list."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = 50
    """The most items of a page."""
    cursor: Annotated[str, Field(max_length=1000, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """Where the page begins. The page before has it in `next`."""


def decode(cursor: str | None) -> str | None:
    """The key of the last item of the page before; None without a cursor, for the first page.

    Raises:
        Problem: the cursor is not one that `encode` makes.
    """
    if cursor is None:
        return None
    try:
        (key,) = json.loads(base64url.decode(cursor))
        if not isinstance(key, str) or "\0" in key:
            raise ValueError(key)
        key.encode()
    except (ValueError, TypeError, RecursionError):
        raise bad_cursor() from None
    return key


def bad_cursor() -> Problem:
    """The problem of a cursor that does not belong to the list."""
    wrong = FieldProblem("take it from `next` of the page before, or leave it out", parameter="cursor")
    return Problem(INVALID, "The cursor does not belong to this list.", [wrong])


def cut(items: Sequence[Item], page: Page, key: Callable[[Item], object]) -> tuple[Sequence[Item], str | None]:
    """Cut a page from `limit` + 1 items. Returns it with the address of the next page; None if it is the last."""
    if len(items) <= page.limit:
        return items, None
    kept = items[: page.limit]
    cursor = encode(str(key(kept[-1])))
    asked: dict[str, Any] = page.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return kept, f"{request.path}?{urlencode({**asked, 'cursor': cursor})}"


def encode(key: str) -> str:
    """Make the cursor of a key. It means nothing to programs."""
    return base64url.encode(json.dumps([key]).encode())
