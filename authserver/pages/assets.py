"""Style sheets, scripts and icons: read once, served from memory, with a digest of their content in the address.

All share one digest, in the path before the name. So modules and style sheets find each other by relative addresses,
and browsers may cache all of them for ever.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flask import Flask, Response, abort, request

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    content_type: str


class Assets:
    """The files that are served at `assets/` below the issuer's path. Mount every folder before the first request."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._folders: dict[str, Path] = {"": Path(__file__).parent / "static"}

    def mount(self, prefix: str, folder: Path) -> None:
        """Serve the files of a folder under a prefix, such as `console/`."""
        self._folders[prefix] = folder

    @cached_property
    def files(self) -> dict[str, Asset]:
        """All files by name. A request can only name one of these: it is never made into a path."""
        found = {}
        for prefix, folder in self._folders.items():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                    found[prefix + path.relative_to(folder).as_posix()] = Asset(path.read_bytes(), kind)
        return found

    @cached_property
    def digest(self) -> str:
        """A digest of all files."""
        digest = hashlib.sha256()
        for name, asset in sorted(self.files.items()):
            digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
        return digest.hexdigest()[:16]

    def address(self, name: str) -> str:
        """The address of a file. Raises `KeyError` if there is no such file, because the page is broken then."""
        if name not in self.files:
            raise KeyError(name)
        return f"{self._base}/assets/{self.digest}/{name}"

    def register(self, app: Flask) -> None:
        """Add the route."""

        def asset(digest: str, name: str) -> Response:
            found = self.files.get(name)
            if found is None:
                abort(404)
            response = Response(found.content, content_type=found.content_type)
            # During an upgrade a page may ask a node of another version for a file. It gets that node's file, but must
            # not cache it.
            response.headers["Cache-Control"] = _FOR_EVER if digest == self.digest else "no-store"
            if digest == self.digest:
                response.set_etag(digest)
            response.make_conditional(request)
            return response

        app.add_url_rule(f"{self._base}/assets/<digest>/<path:name>", "assets", asset)
