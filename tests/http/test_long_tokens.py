"""How long an access token may be: what is made is recognised, and what would be too long leaves nothing behind."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authserver.apis import own_sessions
from authserver.apis.model import Catalogue
from authserver.app import create_app
from authserver.database.identifiers import new_id
from authserver.oauth.server import Services
from authserver.refusals.reasons import Reason
from authserver.sessions.model import SessionRecord
from authserver.settings.values import TokenSettings
from authserver.tokens.access_token import LONGEST, room
from authserver.tokens.scopes import Access
from tests.support.databases import on_both_databases, on_sqlite
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.setup import ISSUER, Setup, make_setup
from tests.support.snapshot import contents
from tests.support.token_answer import reason

#: So many of each make a token that is nearly too long, and one that is too long.
FITS = {"roles": 115, "scopes": 78, "audiences": 29}
TOO_MANY = {"roles": 140, "scopes": 95, "audiences": 45}
LONG = "x" * 220


def words(kind: str, count: int, length: int) -> list[str]:
    return [f"{kind}-{number:03d}".ljust(length, "x") for number in range(count)]


def a_long_one(setup: Setup, app: Flask, what: str, count: int, **columns: Any) -> tuple[App, Person, dict[str, Any]]:
    """A client, a user and parameters whose token is long because of `what`."""
    scopes, form = {"read"}, {}
    if what == "scopes":
        scopes = set(words("scope", count, 100))
        setup.an_api("https://long.example.com", " ".join(scopes))
    elif what == "audiences":
        scopes = {f"of-{number}" for number in range(count)}
        form["resource"] = [setup.an_api(f"https://{scope}.example.com/{LONG}", scope) for scope in scopes]
        form["resource"].append(own_sessions.AUDIENCE)
    registered = setup.an_app(scopes={*scopes, own_sessions.SCOPE}, **columns)
    app.extensions["authserver"].oauth.services.catalogue.refresh()
    return registered, setup.a_person(roles=" ".join(words("role", count, 64)) if what == "roles" else ""), form


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
@pytest.mark.parametrize("what", FITS)
def test_a_long_token_is_recognised_wherever_its_issuer_reads_tokens(
    oauth: OAuth, setup: Setup, app: Flask, what: str, kind: str
):
    """Once an opaque token of more than 4,101 characters was issued, and then unknown to its issuer."""
    registered, person, form = a_long_one(setup, app, what, FITS[what], access_token_format=kind, client_id="c" * 32)
    oauth = oauth.as_app(registered)
    signed_in = oauth.sign_in(person, **form).json()
    token = signed_in["access_token"]
    assert LONGEST * 0.8 < len(token) <= LONGEST
    assert oauth.post("/introspect", {"token": token}).json()["active"] is True
    assert oauth.http.get("/sessions", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    renewed = oauth.refresh(signed_in["refresh_token"]).json()
    assert len(renewed["access_token"]) == len(token)
    assert oauth.revoke(token).status_code == 200
    assert refused_as(oauth.refresh(renewed["refresh_token"]), "invalid_grant")


@on_both_databases
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
@pytest.mark.parametrize("what", TOO_MANY)
def test_a_sign_in_whose_token_would_be_too_long_leaves_nothing_behind(
    oauth: OAuth, setup: Setup, app: Flask, what: str, kind: str
):
    columns = {"access_token_format": kind, "max_sessions_per_user": 1}
    registered, person, form = a_long_one(setup, app, what, TOO_MANY[what], **columns)
    oauth = oauth.as_app(registered)
    setup.sql("UPDATE users SET roles = '' WHERE username = :name", name=person.username)
    kept = oauth.sign_in(person, scope=own_sessions.SCOPE).json()
    if what == "roles":
        roles = " ".join(words("role", TOO_MANY["roles"], 64))
        setup.sql("UPDATE users SET roles = :roles WHERE username = :name", roles=roles, name=person.username)
    before = contents(setup)
    refused = oauth.sign_in(person, **form)
    assert refused_as(refused, "invalid_scope")
    assert reason(setup, refused) is Reason.ACCESS_TOKEN_TOO_LONG
    assert contents(setup) == before
    assert oauth.refresh(kept["refresh_token"]).status_code == 200


def test_a_clients_own_token_that_would_be_too_long_is_refused(oauth: OAuth, setup: Setup, app: Flask):
    registered, _, _ = a_long_one(setup, app, "scopes", TOO_MANY["scopes"])
    oauth = oauth.as_app(registered)
    scopes = words("scope", TOO_MANY["scopes"], 100)
    assert oauth.own_token(scope=" ".join(scopes[:70])).status_code == 200
    refused = oauth.own_token(scope=" ".join(scopes))
    assert refused_as(refused, "invalid_scope")
    assert reason(setup, refused) is Reason.ACCESS_TOKEN_TOO_LONG


@on_both_databases
@pytest.mark.parametrize("policy", ["rotate", "stable"])
def test_a_refresh_whose_token_would_be_too_long_moves_nothing(oauth: OAuth, setup: Setup, app: Flask, policy: str):
    registered, person, _ = a_long_one(setup, app, "scopes", FITS["scopes"], refresh_policy=policy)
    oauth = oauth.as_app(registered)
    token = oauth.sign_in(person).json()["refresh_token"]
    roles = " ".join(words("role", 60, 64))
    setup.sql("UPDATE sessions SET roles = :roles", roles=roles)
    before = contents(setup)
    for form in ({}, {"scope": " ".join(words("scope", FITS["scopes"], 100))}):
        refused = oauth.refresh(token, **form)
        assert refused_as(refused, "invalid_scope")
        assert reason(setup, refused) is Reason.ACCESS_TOKEN_TOO_LONG
        assert contents(setup) == before
    narrowed = oauth.refresh(token, scope=own_sessions.SCOPE)
    assert narrowed.status_code == 200
    setup.sql("UPDATE sessions SET roles = ''")
    assert oauth.refresh(narrowed.json()["refresh_token"]).status_code == 200


@on_both_databases
def test_a_retry_whose_token_would_be_too_long_ends_nothing(oauth: OAuth, setup: Setup, app: Flask):
    registered, person, _ = a_long_one(setup, app, "scopes", FITS["scopes"])
    oauth = oauth.as_app(registered)
    lost = oauth.sign_in(person).json()["refresh_token"]
    setup.sql("UPDATE sessions SET rotated_at = NULL")
    successor = oauth.refresh(lost).json()["refresh_token"]
    setup.sql("UPDATE sessions SET roles = :roles", roles=" ".join(words("role", 60, 64)))
    before = contents(setup)
    assert reason(setup, oauth.refresh(lost)) is Reason.ACCESS_TOKEN_TOO_LONG
    assert contents(setup) == before
    setup.sql("UPDATE sessions SET roles = ''")
    assert oauth.refresh(lost).json()["refresh_token"] == successor


@on_both_databases
def test_a_refresh_of_an_ordinary_session_checks_no_length_and_a_long_one_does(
    oauth: OAuth, setup: Setup, app: Flask, statements: Any
):
    for count, expected in ((5, 1), (FITS["roles"], 3)):
        registered, person, _ = a_long_one(setup, app, "roles", count)
        token = oauth.as_app(registered).sign_in(person).json()["refresh_token"]
        with statements.counted() as seen:
            assert oauth.as_app(registered).refresh(token).status_code == 200
        assert len(seen) == expected


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A server with the longest signatures."""
    setup = make_setup("sqlite", tmp_path_factory.mktemp("rsa"), tokens=TokenSettings(algorithm="RS256"))
    app = create_app(setup.settings)
    with httpx.Client(transport=httpx.WSGITransport(app), base_url=ISSUER) as http:
        http.get("/healthz")
        services: Services = app.extensions["authserver"].oauth.services
        setup.an_app(client_id="c" * 32)
        yield services
    app.extensions["authserver"].database.dispose()
    setup.close()


sets = st.frozensets(st.text("abc", min_size=1, max_size=64), max_size=150)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    scopes=sets,
    roles=sets,
    audiences=sets,
    longest=st.sampled_from([4050, LONGEST]),
    kind=st.sampled_from(["jwt", "opaque"]),
)
@on_sqlite  # no statement is run
def test_no_token_of_an_unchecked_session_is_too_long(
    rsa: Services, scopes: frozenset[str], roles: frozenset[str], audiences: frozenset[str], longest: int, kind: Any
):
    def stored() -> int:
        return sum(len(" ".join(each)) for each in (scopes, roles, audiences))

    while stored() > room(longest, ISSUER) // 2:
        scopes, roles, audiences = (frozenset(sorted(each)[: len(each) // 2]) for each in (scopes, roles, audiences))
    client = rsa.clients.find("c" * 32)
    assert client is not None
    now = 1_900_000_000_000
    row = SessionRecord(
        id=new_id(), user_id=new_id(), scopes=scopes, audiences=audiences, roles=roles, auth_time=now,
        status_index=2**40, access_expires_at=now * 2, idle_expires_at=now * 2, absolute_expires_at=now * 2,
    )  # fmt: skip
    copy, access = replace(client, access_token_format=kind), Access(scopes, audiences)
    token = rsa.access_tokens.for_session(row, copy, access, Catalogue({}, {}), now)
    assert len(token.text) <= longest
