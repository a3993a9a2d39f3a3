"""The module for web pages (`sdk/browser`), served under its version: a page may pin it by its digest, for ever.

A checkout has it in `sdk/browser/`, an installed wheel has it inside the package. An old version stays in `dist/` under
its own name, because pages that pinned it go on asking for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, request

_NAME = "authserver-browser"
_PACKAGE = Path(__file__).parents[1]
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # Every page may load it. Without this header a browser does not compare digests (SRI section 3.2).
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@dataclass(frozen=True, slots=True)
class Module:
    """One version of the built file."""

    version: str
    content: bytes

    @property
    def path(self) -> str:
        """Its address below the issuer's path."""
        return f"/sdk/{_NAME}-{self.version}.js"

    @property
    def integrity(self) -> str:
        """Its digest, as HTML writes it."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.content).digest()).decode()


def read_modules() -> list[Module]:
    """Read this server's own version, and after it the old versions that are kept."""
    packaged = _PACKAGE / "_sdk_browser"
    folder = packaged if packaged.exists() else _PACKAGE.parent / "sdk" / "browser"
    version = json.loads((folder / "package.json").read_text())["version"]
    kept = sorted((folder / "dist").glob(f"{_NAME}-*.js"))
    return [
        Module(version, (folder / "dist" / f"{_NAME}.js").read_bytes()),
        *(Module(path.stem.removeprefix(f"{_NAME}-"), path.read_bytes()) for path in kept),
    ]


def register(app: Flask, prefix: str) -> None:
    """Serve all versions below the issuer's path."""
    modules = {module.path: module for module in read_modules()}

    def module(name: str) -> Response:
        found = modules.get(f"/sdk/{name}")
        if found is None:
            abort(404)
        response = Response(found.content, headers=_HEADERS, content_type="text/javascript; charset=utf-8")
        response.set_etag(found.integrity.removeprefix("sha384-")[:32])
        response.make_conditional(request)
        return response

    app.add_url_rule(f"{prefix}/sdk/<name>", "sdk", module)
