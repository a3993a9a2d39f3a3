"""Our library for resource servers against a live server: what it accepts, and how soon it notices a revocation."""

import time
from collections.abc import Callable, Iterator

import pytest
from authserver_resource import VerificationError, Verifier
from authserver_resource.jose import LONGEST_TOKEN

from authserver.apis import own_sessions
from authserver.tokens.access_token import LONGEST
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import API, make_setup

_SECRET = "the secret + of the API"
_TTL = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server with short-lived status lists, an API that may introspect, and another API."""
    setup = make_setup("sqlite", tmp_path_factory.mktemp("sdk"))
    setup.an_api()
    setup.an_api("https://other.example.com", "other")
    setup.an_app(client_id="the-api", secret=_SECRET, grants={"client_credentials"}, scopes=set())
    setup.sql("UPDATE apis SET client_id = 'the-api' WHERE audience = :audience", audience=API)
    started = ForkedServer(setup, AUTHSERVER_STATUS__TTL=str(_TTL)).start()
    yield started
    started.stop()
    setup.close()


@pytest.fixture
def person(server: LiveServer) -> Person:
    return server.setup.a_person()


@pytest.fixture
def oauth(server: LiveServer) -> Iterator[OAuth]:
    with server.http() as http:
        yield OAuth(http, server.setup.an_app(scopes={"read", "write", "other"}))


@pytest.fixture
def verifier(server: LiveServer) -> Verifier:
    return Verifier(server.url, API, introspection=("the-api", _SECRET))


def code(verify: Callable[[], object]) -> str:
    """The code of the refusal, or "ok"."""
    try:
        verify()
    except VerificationError as error:
        return error.code
    return "ok"


def seconds_until(outcome: str, verify: Callable[[], object]) -> float:
    """How long a busy API, which verifies every 50 ms, goes on accepting a token.

    It counts turns and not seconds: while the machine stalls, the library does not run either.
    """
    deadline, turns = time.monotonic() + 60, 0
    while code(verify) != outcome:
        assert time.monotonic() < deadline, f"still {code(verify)}"
        time.sleep(0.05)
        turns += 1
    return turns * 0.05


def test_a_users_token_is_accepted_with_what_it_says(oauth: OAuth, person: Person, verifier: Verifier):
    text = oauth.sign_in(person, scope="read").json()["access_token"]
    token = verifier.verify(text, "read")
    assert (token.subject, token.client_id, token.scopes) == (person.id, oauth.app.client_id, {"read"})
    assert dict(token.claims) == claims(text)
    assert code(lambda: verifier.verify(text, "read write")) == "insufficient_scope"


def test_a_token_for_another_api_is_refused(oauth: OAuth, person: Person, verifier: Verifier):
    text = oauth.sign_in(person, scope="other").json()["access_token"]
    assert code(lambda: verifier.verify(text)) == "audience"


def test_a_revoked_session_is_refused_within_the_lists_time_and_two_seconds(
    oauth: OAuth, person: Person, verifier: Verifier
):
    signed_in, other = (oauth.sign_in(person, scope="read").json() for _ in range(2))
    verifier.verify(signed_in["access_token"])
    assert oauth.revoke(signed_in["refresh_token"]).status_code == 200
    assert seconds_until("revoked", lambda: verifier.verify(signed_in["access_token"])) <= _TTL + 2
    assert code(lambda: verifier.verify(other["access_token"])) == "ok"


def test_a_clients_own_token_is_accepted_and_its_revocation_arrives(oauth: OAuth, verifier: Verifier):
    text = oauth.own_token(scope="read").json()["access_token"]
    assert not verifier.verify(text, "read").is_of_a_user
    oauth.revoke(text)
    assert seconds_until("revoked", lambda: verifier.verify(text)) <= _TTL + 2


def test_an_opaque_token_is_accepted_and_its_revocation_arrives(
    oauth: OAuth, person: Person, server: LiveServer, verifier: Verifier
):
    app: App = server.setup.an_app(access_token_format="opaque")
    opaque = oauth.as_app(app)
    text = opaque.sign_in(person, scope="read").json()["access_token"]
    assert text.startswith("asat_")
    assert verifier.verify(text, "read").subject == person.id
    assert code(lambda: verifier.verify(text, "write")) == "insufficient_scope"
    opaque.revoke(text)
    assert seconds_until("inactive", lambda: verifier.verify(text)) <= 6


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_every_algorithm_of_the_server_is_verified(algorithm: str, tmp_path_factory: pytest.TempPathFactory):
    setup = make_setup("sqlite", tmp_path_factory.mktemp("sdk"))
    setup.an_api()
    server = ForkedServer(setup, workers=1, AUTHSERVER_TOKENS__ALGORITHM=algorithm).start()
    try:
        with server.http() as http:
            text = OAuth(http, setup.an_app()).own_token(scope="read").json()["access_token"]
        assert Verifier(server.url, API, status="fail_closed").verify(text, "read")
    finally:
        server.stop()
        setup.close()


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_the_longest_token_that_an_issuer_makes_is_taken_by_library_and_server(
    server: LiveServer, verifier: Verifier, kind: str
):
    """A request to the server has to carry it too: a head of at most 16 KiB."""
    assert LONGEST_TOKEN >= LONGEST
    scopes = {"read", own_sessions.SCOPE, "authserver:users:read"}
    person = server.setup.a_person(roles=f"administrator {'x' * (LONGEST * 3 // 4 - 800)}")
    with server.http() as http:
        oauth = OAuth(http, server.setup.an_app(scopes=scopes, access_token_format=kind))
        tokens = {scope: oauth.sign_in(person, scope=scope).json()["access_token"] for scope in scopes}
        assert all(LONGEST - 1000 < len(token) <= LONGEST for token in tokens.values())
        assert verifier.verify(tokens["read"], "read").subject == person.id
        for scope, path in ((own_sessions.SCOPE, "/sessions"), ("authserver:users:read", "/admin/api/users")):
            answer = http.get(path, headers={"Authorization": f"Bearer {tokens[scope]}"})
            assert answer.status_code == 200, path
