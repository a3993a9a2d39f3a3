"""GET and DELETE /sessions: users see and end their own sessions from within an app."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.page import Page
from tests.support.setup import ISSUER, Setup
from tests.support.token_answer import TokenAnswer, token_answer

SCOPES = frozenset({"read", "sessions"})


@pytest.fixture
def app_of_user(oauth: OAuth, setup: Setup) -> OAuth:
    """A public app whose users may see their sessions."""
    return oauth.as_app(setup.an_app(public=True, scopes=SCOPES, name="Shop"))


def bearer(token: TokenAnswer | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token if isinstance(token, str) else token.access_token}"}


def listed(oauth: OAuth, token: TokenAnswer) -> list[dict[str, Any]]:
    answer = oauth.http.get("/sessions", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    sessions: list[dict[str, Any]] = answer.json()["sessions"]
    return sessions


def test_one_token_is_for_an_api_and_for_ones_own_sessions(app_of_user: OAuth, person: Person):
    token = token_answer(app_of_user.sign_in(person))
    assert token.claims["aud"] == ["https://api.example.com", "urn:authserver:own-sessions"]
    assert claims(app_of_user.refresh(token.refresh_token, scope="sessions").json()["access_token"])["aud"] == (
        "urn:authserver:own-sessions"
    )


@on_both_databases
def test_users_see_their_own_sessions_and_which_one_is_this(app_of_user: OAuth, person: Person, setup: Setup):
    here = token_answer(app_of_user.sign_in(person, device_name="Anna's phone"))
    there = token_answer(app_of_user.sign_in(person))
    token_answer(app_of_user.sign_in(setup.a_person()))
    shown = {session["id"]: session for session in listed(app_of_user, here)}
    assert shown.keys() == {here.session_id, there.session_id}
    own = shown[here.session_id]
    assert (own["current"], own["device_name"], own["client_name"]) == (True, "Anna's phone", "Shop")
    assert own["created_at"].endswith("Z")
    assert own["expires_at"] > own["last_used_at"] >= own["created_at"]
    assert shown[there.session_id]["current"] is False


@on_both_databases
def test_ending_another_session_ends_it_and_no_other(app_of_user: OAuth, person: Person, setup: Setup):
    here, there = token_answer(app_of_user.sign_in(person)), token_answer(app_of_user.sign_in(person))
    assert app_of_user.http.delete(f"/sessions/{there.session_id}", headers=bearer(here)).status_code == 204
    assert refused_as(app_of_user.refresh(there.refresh_token), "invalid_grant")
    assert [session["id"] for session in listed(app_of_user, here)] == [here.session_id]
    (event,) = setup.events("session.revoked")
    assert event.actor == f"user:{person.id}"


@on_both_databases
def test_ending_all_others_keeps_this_one(app_of_user: OAuth, person: Person):
    here, *others = [token_answer(app_of_user.sign_in(person)) for _ in range(3)]
    assert app_of_user.http.delete("/sessions", headers=bearer(here)).status_code == 204
    assert all(refused_as(app_of_user.refresh(other.refresh_token), "invalid_grant") for other in others)
    assert app_of_user.refresh(here.refresh_token).status_code == 200


@on_both_databases
def test_signing_out_everywhere_ends_this_one_too(app_of_user: OAuth, person: Person):
    here, there = token_answer(app_of_user.sign_in(person)), token_answer(app_of_user.sign_in(person))
    assert app_of_user.http.delete("/sessions?all=true", headers=bearer(here)).status_code == 204
    assert all(refused_as(app_of_user.refresh(token.refresh_token), "invalid_grant") for token in (here, there))
    assert refused_as(app_of_user.http.get("/sessions", headers=bearer(here)), "invalid_token", 401)


@on_both_databases
def test_the_session_of_somebody_else_is_as_unknown_as_none(app_of_user: OAuth, person: Person, setup: Setup):
    here, foreign = token_answer(app_of_user.sign_in(person)), token_answer(app_of_user.sign_in(setup.a_person()))
    for session_id in (foreign.session_id, str(uuid4()), "no-id"):
        answer = app_of_user.http.delete(f"/sessions/{session_id}", headers=bearer(here))
        assert refused_as(answer, "invalid_request", 404)
    assert app_of_user.refresh(foreign.refresh_token).status_code == 200


def test_a_token_without_the_scope_is_refused_with_the_scope(oauth: OAuth, person: Person, setup: Setup):
    token = token_answer(oauth.as_app(setup.an_app(scopes=SCOPES)).sign_in(person, scope="read"))
    for answer in (
        oauth.http.get("/sessions", headers=bearer(token)),
        oauth.http.delete("/sessions", headers=bearer(token)),
    ):
        assert answer.status_code in (401, 403)
        assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_a_client_has_no_sessions_of_its_own(oauth: OAuth, setup: Setup):
    service = oauth.as_app(setup.an_app(scopes=SCOPES))
    token = service.own_token(scope="sessions").json()["access_token"]
    answer = oauth.http.get("/sessions", headers=bearer(token))
    assert refused_as(answer, "insufficient_scope", 403)
    assert 'scope="sessions"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer garbage", "Basic YTpi"])
def test_without_a_token_there_is_a_challenge(oauth: OAuth, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = oauth.http.get("/sessions", headers=headers)
    assert refused_as(answer, "invalid_token", 401)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert ("error=" in answer.headers["www-authenticate"]) == (authorization is not None)


def test_a_page_with_both_cookies_asks_with_its_cookie(oauth: OAuth, person: Person, setup: Setup):
    given = {"token_delivery": "both_cookies", "origins": frozenset({ISSUER}), "kind": "browser", "scopes": SCOPES}
    page = Page(oauth.http, setup.an_app(public=True, **given).client_id, ISSUER, site="same-origin")
    page.sign_in(person)
    path = f"/sessions?client_id={page.client_id}"
    seen = page.send("GET", path, headers={"Origin": None})
    assert [session["current"] for session in seen.json()["sessions"]] == [True]
    assert refused_as(page.send("DELETE", path, headers={"Origin": "https://evil.example"}), "invalid_request", 403)
    assert refused_as(page.send("DELETE", path, headers={"Origin": None}), "invalid_request", 403)
    assert refused_as(page.send("GET", path, headers={"Origin": "https://evil.example"}), "invalid_request", 403)
    assert page.send("DELETE", path + "&all=true", headers={}).status_code == 204
    assert refused_as(page.refresh(), "invalid_grant")


def test_a_page_of_a_registered_origin_may_read_the_list(oauth: OAuth, person: Person, setup: Setup):
    origin = "https://app.example.com"
    given = {"token_delivery": "cookie", "origins": frozenset({origin}), "kind": "browser", "scopes": SCOPES}
    page = Page(oauth.http, setup.an_app(public=True, **given).client_id, origin)
    token = page.sign_in(person).json()["access_token"]
    answer = page.send("GET", "/sessions", headers={**bearer(token)})
    assert answer.headers["access-control-allow-origin"] == origin
    foreign = page.send("GET", "/sessions", headers={**bearer(token), "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight: httpx.Response = page.http.options("/sessions/x", headers=asked)
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
