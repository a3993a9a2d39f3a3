"""Serves the example page: static files, its settings, and the headers that keep foreign scripts out of it.

There is no back end: the page itself calls authserver and the example API. The server needs only the standard library.
"""

from __future__ import annotations

import argparse
import json
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "sdk" / "browser" / "dist" / "authserver-browser.js"
FILES = {
    "/": (HERE / "index.html", "text/html; charset=utf-8"),
    "/app.js": (HERE / "app.js", "text/javascript; charset=utf-8"),
    "/style.css": (HERE / "style.css", "text/css; charset=utf-8"),
    "/authserver-browser.js": (MODULE, "text/javascript; charset=utf-8"),
}


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def make_server(host: str, port: int, issuer: str, client_id: str, api: str) -> ThreadingHTTPServer:
    """Make a server that does not serve yet. `server_port` is its port."""
    settings = json.dumps({"issuer": issuer, "clientId": client_id, "api": api}).encode()
    # Scripts and styles come only from here, and requests go only to the two servers: nothing can be sent elsewhere.
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' {origin_of(issuer)} {origin_of(api)};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/settings.json":
                self._answer(200, settings, "application/json")
            elif path in FILES:
                file, kind = FILES[path]
                self._answer(200, file.read_bytes(), kind)
            else:
                self._answer(404, b"There is no such page.", "text/plain; charset=utf-8")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Content-Security-Policy", policy)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", default="http://127.0.0.1:8000", help="the authorization server")
    parser.add_argument("--client-id", default="demo-web", help="a client with token delivery `cookie`")
    parser.add_argument("--api", default="http://127.0.0.1:8001", help="address of the example API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8002, help="0 takes any free port")
    options = parser.parse_args()
    server = make_server(options.host, options.port, options.issuer, options.client_id, options.api)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Example page on http://{options.host}:{server.server_port}", flush=True)  # noqa: T201
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
