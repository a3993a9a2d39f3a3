"""Hooks for schemathesis, which calls the admin API as a program: they get its tokens and keep its client alive.

Marking a signing key as leaked makes every token invalid, so the program gets a new one each second. A request that
would change the program's own client is sent for another client instead.
"""

from __future__ import annotations

import os
from typing import Any

import httpx
import schemathesis
from schemathesis import Case, HookContext

_URL = os.environ["ADMIN_API_URL"]
_PROGRAM = os.environ["ADMIN_API_PROGRAM"]
_SECRET = os.environ["ADMIN_API_SECRET"]
_OTHER = os.environ["ADMIN_API_OTHER"]


@schemathesis.auth(refresh_interval=1)
class Token:
    """The access token of the program."""

    def get(self, _case: Case[Any], _context: Any) -> str:
        form = {"grant_type": "client_credentials"}
        response = httpx.post(f"{_URL}/token", data=form, auth=(_PROGRAM, _SECRET), timeout=60)
        token: str = response.raise_for_status().json()["access_token"]
        return token

    def set(self, case: Case[Any], data: str, _context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: Any) -> None:
    """Send a request for the program's own client to the other client."""
    if case.path_parameters and case.path_parameters.get("client_id") == _PROGRAM:
        case.path_parameters["client_id"] = _OTHER
