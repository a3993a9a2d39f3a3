"""Code that a developer pastes and runs: what a client does, and how an API verifies what it gets. Pure.

The code stands in templates. It takes secrets and passwords from the environment, and has everything else filled in.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from authserver.clients.fields import Registration

_TITLES: Final = {
    "curl": "curl",
    "javascript": "JavaScript in a page",
    "httpx": "Python with httpx",
    "authlib": "Python with Authlib",
    "curl-own": "curl, for the client itself",
    "httpx-own": "Python with httpx, for the client itself",
    "authlib-own": "Python with Authlib, for the client itself",
    "flask": "Python with Flask",
    "python": "Python without a framework",
    "other": "Any other JWT library",
}

# These texts are code: the page that shows them escapes them.
_CODE: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates/console/code"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701
)
_CODE.filters.update(repr=repr, shell=shlex.quote, json=json.dumps)


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some code. `name` is unique in a list: it is part of the code's address in the page."""

    name: str
    title: str
    code: str


def for_client(issuer: str, client: Registration, scopes: Sequence[str]) -> list[Snippet]:
    """What this client does: sign in, refresh, sign out; or fetch its own token. `scopes` are of one API."""
    names = []
    if "password" in client.grants:
        names += ["curl", "javascript" if client.kind == "browser" else "httpx"]
        if client.kind != "browser" and not client.is_public:
            names += ["authlib"]
    if "client_credentials" in client.grants:
        names += ["curl-own", "httpx-own", "authlib-own"]
    sends_basic = "client_secret_basic" in client.auth_methods
    values = {"issuer": issuer, "client": client, "scope": " ".join(scopes), "sends_basic": sends_basic}
    return _filled_in(names, values)


def for_api(issuer: str, audience: str, scopes: Sequence[str]) -> list[Snippet]:
    """How an API verifies its access tokens, with our library and with any JWT library."""
    wanted = repr(scopes[0]) if scopes else "()"
    values = {"issuer": issuer, "audience": audience, "scopes": list(scopes), "wanted": wanted}
    return _filled_in(["flask", "python", "other"], values)


def _filled_in(names: Sequence[str], values: Mapping[str, Any]) -> list[Snippet]:
    return [Snippet(name, _TITLES[name], _CODE.get_template(f"{name}.jinja").render(values)) for name in names]
