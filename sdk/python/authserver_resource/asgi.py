"""ASGI (Starlette and others): a middleware in front of an application. It puts the token into `scope["state"]`.

Starlette and FastAPI call it `request.state.access_token`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from authserver_resource.errors import VerificationError
from authserver_resource.gate import Gate, HeaderOf
from authserver_resource.texts import scope_names, texts

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AccessTokenMiddleware:
    """Lets requests and WebSockets in with a token that has `scopes`. `public` paths and all below them need none.

    Write them as the application's routes, or as whole paths, which begin with the path of the mount (`root_path`). "/"
    and the path of the mount open the front page alone. A path with a segment ".." is never public.
    """

    def __init__(self, app: App, gate: Gate, *, scopes: str | Iterable[str] = "", public: Iterable[str] = ()) -> None:
        self._app = app
        self._gate = gate
        self._scopes = scope_names(scopes)
        paths = texts("public", public, '["/health"]')
        if not all(path.startswith("/") for path in paths):
            raise ValueError('public: paths that begin with "/", as in ["/health"]')
        self._public = frozenset(path.rstrip("/") for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, mount = scope.get("path", ""), _mount(scope.get("root_path", ""))
        route = _route(path, mount)
        # A proxy passes the metadata on with or without the path of the mount.
        if scope["type"] == "http" and self._gate.metadata_path in {path, route}:
            await answer(send, 200, {"Content-Type": "application/json"}, self._gate.metadata())
            return
        if scope["type"] in {"http", "websocket"} and not self._is_public(path, route, mount):
            try:
                # A WebSocket can write. It counts as unsafe, so with a cookie it needs an origin.
                token = await self._gate.admit_async(scope.get("method", "WEBSOCKET"), header_of(scope), self._scopes)
            except VerificationError as error:
                await self._refuse(scope, send, error)
                return
            scope.setdefault("state", {})["access_token"] = token
        await self._app(scope, receive, send)

    def _is_public(self, path: str, route: str, mount: str) -> bool:
        # An application that serves files takes /health/../secret for /secret, and on Windows a backslash for a slash.
        if ".." in path.replace("\\", "/").split("/"):
            return False
        if path.removesuffix("/") in self._public or route.removesuffix("/") in self._public:
            return True
        # The whole application lies below its mount, so a public path that holds the mount opens only itself.
        folders = [f"{public}/" for public in self._public if not f"{mount}/".startswith(f"{public}/")]
        return any(path.startswith(folder) or route.startswith(folder) for folder in folders)

    async def _refuse(self, scope: Scope, send: Send, error: VerificationError) -> None:
        if scope["type"] == "websocket":  # the handshake is not answered yet: the server answers it with 403
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})
            return
        refusal = self._gate.refusal(error)
        await answer(send, refusal.status, refusal.headers, refusal.body)


def _mount(root_path: str) -> str:
    return f"/{root_path.strip('/')}".rstrip("/")


def _route(path: str, mount: str) -> str:
    """Return the path below the mount, as the application's routes name it. A proxy may have removed the mount."""
    return path[len(mount) :] if path == mount or path.startswith(f"{mount}/") else path


def header_of(scope: Scope) -> HeaderOf:
    """Return a look-up of headers. A header that came twice is joined, so two tokens make none that is valid."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        # HTTP/2 may split a cookie header into several.
        headers[name] = headers[name] + ("; " if name == "cookie" else ", ") + value if name in headers else value
    return headers.get


async def answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Send a whole response."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
