"""The example API beside a live server: it accepts the server's tokens where they belong, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest

from tests.interop.conftest import SCOPES
from tests.interop.issuer import Key
from tests.interop.programs import ExampleApi
from tests.support.oauth import App, OAuth, Person
from tests.support.server import LiveServer

PATIENCE = 60  # seconds until a test gives up; not a measure of speed


@pytest.fixture
def oauth(server: LiveServer, app: App) -> Iterator[OAuth]:
    with server.http() as http:
        yield OAuth(http, app)


def ask(api: ExampleApi, token: str | None, method: str = "GET") -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.request(method, f"{api.url}/profile", headers=headers, json={"display_name": "Ada"})


def test_a_token_of_the_server_reads_and_writes_its_users_profile(
    api: ExampleApi, oauth: OAuth, person: Person
) -> None:
    token = oauth.sign_in(person, scope="profile:read profile:write").json()["access_token"]

    assert ask(api, token, "PUT").status_code == 200
    assert ask(api, token).json() == {
        "sub": person.id,
        "client_id": oauth.app.client_id,
        "scope": "profile:read profile:write",
        "display_name": "Ada",
    }


def test_nobody_gets_in_without_a_token_and_no_error_code_is_given(api: ExampleApi) -> None:
    answer = ask(api, None)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="example-api"')


def test_a_token_for_another_api_is_refused(api: ExampleApi, oauth: OAuth, person: Person) -> None:
    token = oauth.sign_in(person, scope="other:read").json()["access_token"]
    assert is_invalid_token(ask(api, token))


def test_a_token_that_somebody_else_signed_under_the_servers_key_id_is_refused(
    api: ExampleApi, oauth: OAuth, person: Person
) -> None:
    token = oauth.sign_in(person, scope="profile:read").json()["access_token"]
    good = jwt.decode_complete(token, options={"verify_signature": False})
    forged = jwt.encode(good["payload"], Key("ours").private, algorithm="ES256", headers=good["header"])

    assert ask(api, token).status_code == 200
    assert is_invalid_token(ask(api, forged))


def test_a_refresh_token_opens_no_api(api: ExampleApi, oauth: OAuth, person: Person) -> None:
    assert is_invalid_token(ask(api, oauth.sign_in(person, scope="profile:read").json()["refresh_token"]))


def test_a_missing_scope_is_named(api: ExampleApi, oauth: OAuth, person: Person) -> None:
    token = oauth.sign_in(person, scope="profile:read").json()["access_token"]
    answer = ask(api, token, "PUT")

    assert ask(api, token).status_code == 200
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="example-api", error="insufficient_scope", scope="profile:write"'
    )


def test_an_expired_token_is_refused_and_its_successor_accepted(
    api: ExampleApi, server: LiveServer, person: Person
) -> None:
    with server.http() as http:
        oauth = OAuth(http, server.setup.an_app(scopes=SCOPES, access_token_lifetime=5, retry_window=0))
        tokens = oauth.sign_in(person, scope="profile:read").json()
        assert ask(api, tokens["access_token"]).status_code == 200

        deadline = time.monotonic() + PATIENCE
        while (answer := ask(api, tokens["access_token"])).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.2)

        assert is_invalid_token(answer)
        refreshed = oauth.refresh(tokens["refresh_token"]).json()
        assert ask(api, refreshed["access_token"]).status_code == 200


def test_the_log_of_the_api_says_why_and_holds_no_token(api: ExampleApi, oauth: OAuth, person: Person) -> None:
    token = oauth.sign_in(person, scope="other:read").json()["access_token"]
    ask(api, token)

    log = api.log.read_text()
    assert "InvalidAudienceError" in log
    assert not [part for part in token.split(".") if part in log]


def is_invalid_token(answer: httpx.Response) -> bool:
    challenge = 'Bearer realm="example-api", error="invalid_token"'
    return (answer.status_code, answer.headers.get("www-authenticate")) == (401, challenge)
