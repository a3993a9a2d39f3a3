"""An API with our library, behind the proxy of tests/support/site.py. It keeps a profile and prints its port."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
from typing import Any

import flask
from authserver_resource import Verifier
from authserver_resource.flask import Api, access_token
from authserver_resource.gate import Gate
from werkzeug.serving import make_server


def create_app(gate: Gate, origin: str) -> flask.Flask:
    app = flask.Flask(__name__)
    api = Api(gate, app)
    names: dict[str, str] = {}

    def profile() -> dict[str, object]:
        token = access_token()
        return {"sub": token.subject, "display_name": names.get(token.subject)}

    @app.get("/profile")
    @api.require("read")
    def show() -> dict[str, object]:
        return profile()

    # It also takes POST with any content type: browsers send such a request for any page without a preflight.
    @app.route("/profile", methods=["PUT", "POST"])
    @api.require("write")
    def change() -> dict[str, object]:
        names[access_token().subject] = flask.request.get_json(force=True)["display_name"]
        return profile()

    @app.after_request
    def let_the_page_in(response: flask.Response) -> flask.Response:
        response.vary.add("Origin")
        response.headers["Cache-Control"] = "no-store"
        if flask.request.headers.get("Origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, PUT"
        return response

    return app


def find_hosts_here(domain: str) -> None:
    """Resolve every name under the domain to this machine, like lines in /etc/hosts."""
    ask = socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **named: Any) -> Any:
        here = isinstance(host, str) and host.endswith(f".{domain}")
        return ask("127.0.0.1" if here else host, *arguments, **named)

    socket.getaddrinfo = answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    parser.add_argument("--origin", required=True, help="whose pages may call it")
    parser.add_argument("--domain", required=True, help="whose hosts are on this machine")
    parser.add_argument("--cookie", help="where the token may be instead of the header")
    parser.add_argument(
        "--leeway", type=float, default=0, help="seconds; without any an expired token is refused at once"
    )
    parser.add_argument("--introspection", nargs=2, help="client id and secret, for opaque tokens")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    find_hosts_here(options.domain)
    verifier = Verifier(
        options.issuer,
        options.audience,
        leeway=options.leeway,
        introspection=tuple(options.introspection) if options.introspection else None,
        introspection_seconds=0,
    )
    gate = Gate(verifier, cookie=options.cookie, origins=[options.origin])
    server = make_server("127.0.0.1", 0, create_app(gate, options.origin), threaded=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(server.server_port, flush=True)  # noqa: T201 - the starting process waits for this line
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
