"""HTTP for the two APIs of this folder: 200 with the subject of a good token, 401 if their library refuses it."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol


class Subject(Protocol):
    def __call__(self, token: str, *, strict: bool) -> str: ...


def serve(subject: Subject, *, refusal: type[Exception]) -> None:
    """Serve until killed. Any exception other than `refusal` is a fault: no answer, and a traceback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                status, text = 200, subject(token, strict=self.path == "/strict")
            except refusal as error:
                status, text = 401, str(error)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()
