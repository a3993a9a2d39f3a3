"""The same API in each framework lets requests in, refuses them with a challenge, and describes itself."""

import asyncio
import json

import httpx
import pytest

from authserver_resource import AccessToken
from authserver_resource.gate import Gate

AUDIENCE = "https://api.example.com"
METADATA = "/.well-known/oauth-protected-resource"


class Call:
    """Sends requests to an application."""

    def __init__(self, transport):
        self._transport = transport

    def __call__(self, path, method="GET", **headers):
        async def main():
            async with httpx.AsyncClient(transport=self._transport, base_url=AUDIENCE) as http:
                return await http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})

        if isinstance(self._transport, httpx.WSGITransport):
            with httpx.Client(transport=self._transport, base_url=AUDIENCE) as http:
                return http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return asyncio.run(main())


@pytest.fixture
def gate(verifier):
    return Gate(verifier, cookie="__Host-token", scopes=["write", "read"])


def in_flask(gate):
    from flask import Flask, g

    from authserver_resource.flask import Api, access_token

    app = Flask("api")
    api = Api(gate, app)

    @app.route("/read", methods=["GET", "POST"])
    @api.require("read")
    def read():
        assert g.access_token is access_token()
        return {"subject": access_token().subject}

    @app.route("/delete")
    @api.require(iter(["delete"]))
    def delete():
        return {}

    return Call(httpx.WSGITransport(app))


def in_fastapi(gate):
    from typing import Annotated

    from fastapi import FastAPI, Security

    from authserver_resource.fastapi import Bearer

    app = FastAPI()
    bearer = Bearer(gate, app)

    @app.get("/read", operation_id="read")
    @app.post("/read", operation_id="write")
    async def read(token: Annotated[AccessToken, Security(bearer, scopes=["read"])]):
        return {"subject": token.subject}

    @app.get("/delete")
    def delete(token: Annotated[AccessToken, Security(bearer, scopes=["delete"])]):
        return {}

    return Call(httpx.ASGITransport(app))


def in_asgi(gate):
    from authserver_resource.asgi import AccessTokenMiddleware, answer

    async def app(scope, receive, send):
        body = json.dumps({"subject": scope["state"]["access_token"].subject}).encode()
        await answer(send, 200, {"Content-Type": "application/json"}, body)

    reading = AccessTokenMiddleware(app, gate, scopes="read")
    deleting = AccessTokenMiddleware(app, gate, scopes=iter(["delete"]))

    async def routed(scope, receive, send):
        await (deleting if scope["path"] == "/delete" else reading)(scope, receive, send)

    return Call(httpx.ASGITransport(routed))


def in_django(gate, *, plain=True):
    import django
    from django.conf import settings

    from authserver_resource import django as adapter

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF="urls_of_this_test",
            MIDDLEWARE=["authserver_resource.django.AccessTokenMiddleware"],
            SECRET_KEY="x",
            LOGGING_CONFIG=None,
        )
        django.setup()
    import sys
    from types import ModuleType

    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse
    from django.urls import clear_url_caches, path

    adapter.gate.cache_clear()
    options = {"issuer": gate.verifier.issuer, "audience": AUDIENCE, "clock": gate.verifier._clock}
    settings.AUTHSERVER_RESOURCE = {**options, "gate": {"cookie": "__Host-token", "scopes": ["read", "write"]}}

    if plain:

        @adapter.require_token("read")
        def read(request):
            return JsonResponse({"subject": request.access_token.subject})
    else:

        @adapter.require_token("read")
        async def read(request):
            return JsonResponse({"subject": request.access_token.subject})

    @adapter.require_token(iter(["delete"]))
    def delete(request):
        return JsonResponse({})

    urls = ModuleType("urls_of_this_test")
    urls.urlpatterns = [path("read", read), path("delete", delete)]
    sys.modules["urls_of_this_test"] = urls
    clear_url_caches()
    return Call(httpx.WSGITransport(get_wsgi_application()) if plain else httpx.ASGITransport(get_asgi_application()))


@pytest.fixture(params=["flask", "asgi", "fastapi", "django", "django_async"])
def call(request, gate):
    if request.param.startswith("django"):
        return in_django(gate, plain=request.param == "django")
    return {"flask": in_flask, "asgi": in_asgi, "fastapi": in_fastapi}[request.param](gate)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_good_token_is_let_in(issuer, call):
    answer = call("/read", **bearer(issuer.token()))
    assert (answer.status_code, answer.json()) == (200, {"subject": "user-1"})


@pytest.mark.parametrize("make", [in_flask, in_django])
def test_the_metadata_are_served_behind_a_script_name(gate, make):
    call = make(gate)
    call._transport.script_name = "/v1"
    assert call(METADATA).json()["resource"] == AUDIENCE
    assert call("/read").status_code == 401


def test_without_a_token_the_challenge_names_scheme_and_metadata_only(call):
    answer = call("/read")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{AUDIENCE}{METADATA}"'


def test_a_bad_token_is_challenged_as_invalid(issuer, call):
    answer = call("/read", **bearer(issuer.token(exp=1)))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", error_description="')
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json()["error"], answer.json()["code"]) == ("invalid_token", "expired")


def test_a_missing_scope_is_named_each_time(issuer, call):
    for _ in range(2):  # the first request once used up an iterator of scopes, so the second was let in
        answer = call("/delete", **bearer(issuer.token()))
        assert answer.status_code == 403
        challenge = answer.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="delete"' in challenge


def test_an_outage_is_no_challenge(issuer, call):
    token = issuer.token()
    issuer.stop()
    answer = call("/read", **bearer(token))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "WWW-Authenticate" not in answer.headers


def test_the_metadata_are_served(issuer, call):
    answer = call(METADATA)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {
        "resource": AUDIENCE,
        "authorization_servers": [issuer.url],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "write"],
    }


def test_a_token_in_the_query_is_ignored(issuer, call):
    assert call(f"/read?access_token={issuer.token()}").status_code == 401


def test_a_cookie_reads_but_does_not_write_for_a_foreign_page(issuer, call):
    cookie = {"Cookie": f"a=b; __Host-token={issuer.token()}"}
    assert call("/read", **cookie).status_code == 200
    assert call("/read", "POST", **cookie).status_code == 403
    assert call("/read", "POST", **cookie, Origin="https://evil.example.com").json()["code"] == "origin"
    assert call("/read", "POST", **cookie, Origin=AUDIENCE, Sec_Fetch_Site="cross-site").status_code == 403


def test_a_cookie_with_the_right_origin_writes(issuer, gate):
    cookie = {"Cookie": f"__Host-token={issuer.token()}"}
    for call in (in_flask(gate), in_asgi(gate), in_fastapi(gate)):
        assert call("/read", "POST", **cookie, Origin=AUDIENCE, Sec_Fetch_Site="same-origin").status_code == 200


def test_two_authorization_headers_are_no_token(issuer, gate):
    from authserver_resource.asgi import header_of

    value = f"Bearer {issuer.token()}".encode()
    headers = header_of({"headers": [(b"authorization", value), (b"Authorization", value)]})
    with pytest.raises(Exception, match="compact form"):
        gate.admit("GET", headers)


def test_the_openapi_document_names_scheme_and_scopes(gate):
    document = in_fastapi(gate)("/openapi.json").json()
    assert document["components"]["securitySchemes"]["authserver"]["scheme"] == "bearer"
    assert document["paths"]["/read"]["get"]["security"] == [{"authserver": ["read"]}]
    assert METADATA not in document["paths"]


def test_a_websocket_without_a_token_is_closed_and_public_paths_pass(gate):
    from authserver_resource.asgi import AccessTokenMiddleware

    sent, reached = [], []

    async def app(scope, receive, send):
        reached.append(scope["path"])

    async def send(message):
        sent.append(message)

    async def run(kind, path):
        await AccessTokenMiddleware(app, gate, public=["/health"])(
            {"type": kind, "path": path, "headers": []}, None, send
        )

    for kind, path in [("websocket", "/ws"), ("http", "/health/live"), ("lifespan", ""), ("websocket", "/healthy")]:
        asyncio.run(run(kind, path))
    assert [message["type"] for message in sent] == ["websocket.close"] * 2
    assert reached == ["/health/live", ""]


def test_a_cookie_that_a_sibling_host_could_plant_is_refused_by_the_settings(issuer):
    from authserver_resource import Verifier

    with pytest.raises(ValueError, match="__Host-"):
        Gate(Verifier("https://as.example.com", AUDIENCE), cookie="token")


@pytest.mark.parametrize(
    ("audience", "path"),
    [("https://api.example.com/v1/", METADATA + "/v1"), ("https://a.example", METADATA), ("urn:api", None)],
)
def test_metadata_stand_where_rfc_9728_says(issuer, audience, path):
    from authserver_resource import Verifier

    assert Gate(Verifier(issuer.url, audience)).metadata_path == path


def test_outcomes_are_counted(issuer, make_verifier, refused):
    from prometheus_client import CollectorRegistry

    from authserver_resource.prometheus import PrometheusCounters

    registry = CollectorRegistry()
    verifier = make_verifier(counters=PrometheusCounters(registry))
    verifier.verify(issuer.token())
    with refused("expired"):
        verifier.verify(issuer.token(exp=1))
    for outcome, count in {"ok": 1, "expired": 1, "revoked": 0}.items():
        name = "authserver_resource_verifications_total"
        assert registry.get_sample_value(name, {"outcome": outcome}) == count
