"""Client libraries for node, unmodified, discover, refresh and revoke at a live server."""

from __future__ import annotations

import json

import pytest

from tests.interop.foreign.programs import run_node
from tests.support.oauth import App, OAuth, Person
from tests.support.server import LiveServer

pytestmark = pytest.mark.node


@pytest.mark.parametrize("script", ["openid-client.js", "oauth4webapi.js"])
def test_a_client_refreshes_and_revokes(script: str, server: LiveServer, app: App, person: Person) -> None:
    assert app.secret is not None
    with server.http() as http:
        first = OAuth(http, app).sign_in(person, scope="profile:read").json()

    done = run_node(script, server.url, app.client_id, app.secret, first["refresh_token"])

    assert done["refreshed"]["scope"] == "profile:read"
    assert done["refreshed"]["refresh_token"] != first["refresh_token"]
    assert done["refreshed"]["access_token"] != first["access_token"]
    assert done["afterwards"] == "invalid_grant"


def test_public_clients_sign_in_and_refresh_by_the_defaults_of_their_libraries(
    server: LiveServer, person: Person
) -> None:
    """They send HTTP Basic with an empty secret, which was refused."""
    app = server.setup.an_app(public=True, scopes={"profile:read"})
    user = json.dumps({"username": person.username, "password": person.password})

    got = run_node("public-clients.js", server.url, app.client_id, "profile:read", given=user)

    assert got == dict.fromkeys(["simple-oauth2", "client-oauth2"], ["profile:read"] * 2)
