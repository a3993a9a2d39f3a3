"""An example API: it keeps a profile for each user, and needs an access token with the right scope."""

from __future__ import annotations

import argparse
import logging
import signal

import flask
import waitress
from bearer import Bearer, BearerError, Claims, Keys, KeysUnavailableError

MAX_BODY_BYTES = 4096
MAX_NAME_LENGTH = 100

log = logging.getLogger(__name__)


def create_app(bearer: Bearer, origins: frozenset[str] = frozenset()) -> flask.Flask:
    """Make the API. Pages of `origins` may call it, without cookies: it accepts a token in a header only."""
    app = flask.Flask(__name__)
    profiles: dict[str, str] = {}  # `sub` to display name, in memory because this is an example

    @app.get("/profile")
    @bearer.requires("profile:read")
    def show_profile(token: Claims) -> flask.typing.ResponseReturnValue:
        return _profile(token, profiles.get(token["sub"]))

    @app.put("/profile")
    @bearer.requires("profile:write")
    def change_profile(token: Claims) -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        name = body.get("display_name") if isinstance(body, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
            return {"error": "invalid_request", "detail": f"display_name: text, 1 to {MAX_NAME_LENGTH} characters"}, 400
        profiles[token["sub"]] = name
        return _profile(token, name)

    @app.errorhandler(BearerError)
    def refuse(error: BearerError) -> flask.typing.ResponseReturnValue:
        # Log the reason and never the token. %r quotes it, because a forged token may have put words into it.
        log.info("%s %s refused: %r", flask.request.method, flask.request.path, error)
        return {"error": error.error or "token_required"}, error.status, {"WWW-Authenticate": error.challenge}

    @app.errorhandler(KeysUnavailableError)
    def defer(_error: KeysUnavailableError) -> flask.typing.ResponseReturnValue:
        # Not a 401: the client would throw away a token that may be good.
        return {"error": "temporarily_unavailable"}, 503, {"Retry-After": "2"}

    @app.after_request
    def let_pages_in(response: flask.Response) -> flask.Response:
        origin = flask.request.headers.get("Origin", "")
        response.vary.add("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, PUT"
            response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, Retry-After"
            response.headers["Access-Control-Max-Age"] = "600"
        return response

    @app.after_request
    def keep_out_of_caches(response: flask.Response) -> flask.Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _profile(token: Claims, name: str | None) -> dict[str, object]:
    return {"sub": token["sub"], "client_id": token["client_id"], "scope": token["scope"], "display_name": name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", default="http://127.0.0.1:8000", help="the issuer whose tokens are accepted")
    parser.add_argument("--audience", default="http://127.0.0.1:8001", help="the name of this API in its tokens")
    parser.add_argument("--jwks", help="address of the issuer's keys, if not ISSUER/.well-known/jwks.json")
    parser.add_argument(
        "--origin", action="append", default=[], help="an origin whose pages may call the API; may be repeated"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any free port")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    keys = Keys(options.jwks or f"{options.issuer.rstrip('/')}/.well-known/jwks.json")
    app = create_app(Bearer(options.issuer, options.audience, keys), frozenset(options.origin))
    server = waitress.create_server(
        app, host=options.host, port=options.port, threads=8, max_request_body_size=MAX_BODY_BYTES
    )
    # SIGTERM stops it as Ctrl-C does: waitress finishes the requests that it has begun.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Example API on http://{options.host}:{server.effective_port}", flush=True)  # noqa: T201
    server.run()


if __name__ == "__main__":
    main()
