"""Client libraries of other makers, unmodified: they sign in, refresh by themselves, call an API and sign out."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session as RequestsOAuthSession

from tests.interop.conftest import SCOPES
from tests.interop.programs import ExampleApi
from tests.support.oauth import App, OAuth, Person
from tests.support.server import LiveServer

# Authlib announces at import that it will prefer httpx2; with httpx it works as before.
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="The httpx module is deprecated")
    from authlib.integrations.httpx_client import OAuth2Client

SCOPE = "profile:read profile:write"
AUTHLIB = pytest.mark.parametrize("library", [OAuth2Client, OAuth2Session], ids=["httpx", "requests"])


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both families rightly refuse token addresses without https. The test server on loopback has no https."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def stored_too_long(token: dict[str, Any]) -> dict[str, Any]:
    """The token from an app's storage, after its access token has expired."""
    return {**token, "expires_at": 1}


@AUTHLIB
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_refreshes_by_itself_each_time_the_access_token_has_expired(
    library: Any, method: str, server: LiveServer, api: ExampleApi, person: Person
) -> None:
    app = server.setup.an_app(scopes=SCOPES, retry_window=0, public=method == "none")
    stored: list[dict[str, Any]] = []
    with library(
        app.client_id,
        app.secret,
        token_endpoint_auth_method=method,
        token_endpoint=f"{server.url}/token",
        scope=SCOPE,
        update_token=lambda token, **_old: stored.append(token),
    ) as client:
        first = client.fetch_token(username=person.username, password=person.password)
        for _ in range(3):
            client.token = stored_too_long(client.token)
            assert client.get(f"{api.url}/profile").status_code == 200

    assert len({token["refresh_token"] for token in [first, *stored]}) == 4
    assert len({token["access_token"] for token in [first, *stored]}) == 4


@AUTHLIB
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_authlib_signs_out_with_either_token(
    library: Any, kind: str, server: LiveServer, app: App, person: Person
) -> None:
    with library(app.client_id, app.secret, token_endpoint=f"{server.url}/token", scope=SCOPE) as client:
        token = client.fetch_token(username=person.username, password=person.password)
        answer = client.revoke_token(f"{server.url}/revoke", token=token[kind], token_type_hint=kind)
        assert answer.status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(refresh_token=token["refresh_token"])


@AUTHLIB
def test_authlib_gets_a_token_for_the_client_itself(
    library: Any, server: LiveServer, api: ExampleApi, app: App
) -> None:
    with library(app.client_id, app.secret, token_endpoint=f"{server.url}/token", scope="profile:read") as client:
        token = client.fetch_token(grant_type="client_credentials")
        profile = client.get(f"{api.url}/profile").json()

    assert "refresh_token" not in token
    assert profile["sub"] == app.client_id


@AUTHLIB
def test_authlib_is_told_why_a_sign_in_failed(library: Any, server: LiveServer, app: App, person: Person) -> None:
    with (
        library(app.client_id, app.secret, token_endpoint=f"{server.url}/token") as client,
        pytest.raises(OAuthError, match="invalid_grant"),
    ):
        client.fetch_token(username=person.username, password="not " + person.password)


def requests_oauth_session(server: LiveServer, app: App, stored: list[dict[str, Any]]) -> RequestsOAuthSession:
    return RequestsOAuthSession(
        client=LegacyApplicationClient(app.client_id, scope=SCOPE.split()),
        auto_refresh_url=f"{server.url}/token",
        auto_refresh_kwargs={"client_id": app.client_id, "client_secret": app.secret},
        token_updater=stored.append,
    )


def test_requests_oauthlib_refreshes_by_itself_each_time_the_access_token_has_expired(
    server: LiveServer, api: ExampleApi, app: App, person: Person
) -> None:
    stored: list[dict[str, Any]] = []
    with requests_oauth_session(server, app, stored) as client:
        first = client.fetch_token(
            f"{server.url}/token", username=person.username, password=person.password, client_secret=app.secret
        )
        for _ in range(3):
            client.token = stored_too_long(client.token)
            assert client.get(f"{api.url}/profile").status_code == 200

    assert len({token["refresh_token"] for token in [first, *stored]}) == 4
    assert len({token["access_token"] for token in [first, *stored]}) == 4


def test_requests_oauthlib_signs_a_public_client_in_by_its_defaults(server: LiveServer, person: Person) -> None:
    """By default it sends HTTP Basic with an empty secret, which was refused."""
    app = server.setup.an_app(scopes=SCOPES, public=True)
    with RequestsOAuthSession(client=LegacyApplicationClient(app.client_id, scope=SCOPE.split())) as client:
        first = client.fetch_token(f"{server.url}/token", username=person.username, password=person.password)
        refreshed = client.refresh_token(f"{server.url}/token", client_id=app.client_id)
    assert first["scope"] == refreshed["scope"] == SCOPE.split()


def test_requests_oauthlib_learns_that_the_session_was_ended(
    server: LiveServer, api: ExampleApi, app: App, person: Person
) -> None:
    with requests_oauth_session(server, app, []) as client:
        token = client.fetch_token(
            f"{server.url}/token", username=person.username, password=person.password, client_secret=app.secret
        )
        with server.http() as http:
            assert OAuth(http, app).revoke(token["refresh_token"]).status_code == 200
        client.token = stored_too_long(client.token)
        with pytest.raises(InvalidGrantError):
            client.get(f"{api.url}/profile")
