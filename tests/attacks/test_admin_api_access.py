"""Every route of the admin API, from the application's own list, against every wrong credential."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.admin_api.route import PREFIX, Route
from authserver.admin_api.routes import ROUTES
from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.users import Profile
from authserver.apis.administration import AUDIENCE, ROLE, SCOPES
from tests.support.admin_api import AdminApi, a_program, administrator_token, refused, token_of
from tests.support.console import browser
from tests.support.oauth import OAuth
from tests.support.setup import API, Setup

GUARDED = [route for route in ROUTES if route.scope is not None]
#: Routes without a token: the documents that describe the API.
OPEN = {"/openapi.json", "/docs"}


def example(route: Route) -> dict[str, Any]:
    """A request that nothing but the caller's authority stops, if its target exists."""
    path = route.path
    for name in route.path_parameters:
        path = path.replace(f"{{{name}}}", "nothing-here")
    body = {"content": b"{}", "headers": {"Content-Type": route.body_types[0]}} if route.takes_body else {}
    return {"method": route.method, "path": PREFIX + path, **body}


def ask(http: httpx.Client, route: Route, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    request = example(route)
    sent = {**request.pop("headers", {}), **(headers or {})}
    return http.request(request.pop("method"), request.pop("path"), headers=sent, **request, **more)


def test_every_route_of_the_application_has_its_rule_in_the_table(app: Flask):
    served = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(f"{PREFIX}/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(PREFIX + route.rule, route.method) for route in ROUTES}
    assert {route.path for route in ROUTES if route.scope is None} <= OPEN
    assert {route.scope for route in GUARDED} <= SCOPES.keys()
    assert all(
        route.scope.endswith(":read") == (route.method == "GET")
        for route in GUARDED
        if route.scope and route.path != "/references"
    )


@dataclass
class WrongCredential:
    """The headers of a wrong credential, and the status that it gets."""

    headers: dict[str, str]
    status: int


def test_every_route_refuses_every_wrong_credential_and_only_those(setup: Setup, oauth: OAuth, app: Flask):
    setup.an_api("urn:other", scopes="other")
    http = oauth.http
    expired, a_users = expired_token(setup, http), token_of_a_user_without_authority(setup, http)
    visit = cookie_of_an_administrator(setup, app)
    for route in GUARDED:
        right = a_program(setup, http, str(route.scope)).token
        answer = ask(http, route, headers=bearer(right))
        assert answer.status_code not in (401, 403), (route.operation_id, answer.text)
        others = set(SCOPES) - {str(route.scope)}
        wrong = {
            "none": WrongCredential({}, 401),
            "garbage": WrongCredential(bearer("garbage"), 401),
            "a refresh token's form": WrongCredential(bearer("asrt_" + "A" * 100), 401),
            "Basic": WrongCredential({"Authorization": "Basic " + "YTpi"}, 401),
            "the token as a cookie": WrongCredential({"Cookie": f"authserver={right}; __Host-authserver={right}"}, 401),
            "an administrator's visit": WrongCredential({"Cookie": f"authserver={visit}"}, 401),
            "an administrator's visit, and its page": WrongCredential(
                {"Cookie": f"authserver={visit}", "Origin": setup.settings.issuer, "Sec-Fetch-Site": "same-origin"}, 401
            ),
            "expired": WrongCredential(bearer(expired), 401),
            "a user's": WrongCredential(bearer(a_users), 403),
            "every other scope": WrongCredential(bearer(a_program(setup, http, *others).token), 403),
            "altered": WrongCredential(bearer(right[:-4] + ("AAAA" if right[-4:] != "AAAA" else "BBBB")), 401),
        }
        for name, credential in wrong.items():
            response = ask(http, route, headers=credential.headers)
            kind = "forbidden" if credential.status == 403 else "unauthenticated"
            assert refused(response, credential.status, kind), (route.operation_id, name, response.text)
            assert response.headers["www-authenticate"].startswith("Bearer "), name
        in_query = ask(http, route, params={"access_token": right})
        assert refused(in_query, 401, "unauthenticated"), route.operation_id


def test_tokens_that_have_ended_open_nothing(setup: Setup, oauth: OAuth):
    http = oauth.http
    for end in ("disabled", "removed", "ended", "expired", "lost its scope"):
        program = OAuth(http, setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(SCOPES)))
        api = AdminApi(http, token_of(program))
        assert api.get("/clients").status_code == 200
        client_id = program.app.client_id
        other = a_program(setup, http)
        if end == "disabled":
            assert other.post(f"/clients/{client_id}/disable").status_code == 200
        elif end == "removed":
            assert other.delete(f"/clients/{client_id}", etag="*").status_code == 204
        elif end == "ended":
            assert other.post(f"/clients/{client_id}/end-sessions").status_code == 200
        elif end == "expired":
            api = AdminApi(http, expired_token(setup, http))
        else:
            assert other.patch(f"/clients/{client_id}", {"scope": "read"}, etag="*").status_code == 200
        status, kind = (403, "forbidden") if end == "lost its scope" else (401, "unauthenticated")
        assert refused(api.get("/clients"), status, kind), end


def test_a_token_for_another_audience_or_for_several_opens_nothing(setup: Setup, oauth: OAuth):
    app = setup.an_app(scopes={*SCOPES, "read"}, grants={"client_credentials"})
    program = OAuth(oauth.http, app)
    own = token_of(program, scope="authserver:clients:read")
    both = token_of(program, scope="authserver:clients:read read", resource=[AUDIENCE, API])
    foreign = token_of(program, scope="read")
    assert AdminApi(oauth.http, own).get("/clients").status_code == 200
    for token in (both, foreign):
        assert refused(AdminApi(oauth.http, token).get("/clients"), 401, "unauthenticated")


def test_a_users_token_opens_what_the_users_role_opens(setup: Setup, oauth: OAuth):
    http = oauth.http
    boss, other = setup.a_person(roles=ROLE), setup.a_person()
    ours = AdminApi(http, administrator_token(setup, http, boss, "authserver:clients:read"))
    assert ours.get("/clients").status_code == 200
    assert refused(ours.get("/users"), 403, "forbidden")
    through = OAuth(http, setup.an_app(scopes={"authserver:clients:read", "read"}))
    token = through.sign_in(other).json()["access_token"]
    assert AdminApi(http, token).get("/clients").status_code == 401


def test_a_user_who_loses_the_role_or_the_session_is_out_at_once(setup: Setup, oauth: OAuth):
    http = oauth.http
    program = a_program(setup, http)
    for act in ("role", "session", "password", "disabled"):
        boss = setup.a_person(roles=ROLE)
        api = AdminApi(http, administrator_token(setup, http, boss))
        assert api.get("/clients").status_code == 200
        if act == "role":
            assert program.patch(f"/users/{boss.id}", {"roles": []}, etag="*").status_code == 200
        elif act == "session":
            assert program.post(f"/users/{boss.id}/end-sessions").json() == {"sessions_ended": 1}
        elif act == "password":
            body = {"password": "another " + secrets.token_hex(8)}
            assert program.post(f"/users/{boss.id}/password", body).status_code == 200
        else:
            assert program.post(f"/users/{boss.id}/disable").status_code == 200
        assert api.get("/clients").status_code == (403 if act == "role" else 401), act


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of_a_user_without_authority(setup: Setup, http: httpx.Client) -> str:
    """A token with all scopes of administration, whose user is no longer an administrator."""
    person = setup.a_person(roles=ROLE)
    api = AdminApi(http, administrator_token(setup, http, person))
    assert api.get("/clients").status_code == 200
    users.edit(
        Administration(setup.database, setup.settings, "cli:tester"),
        person.username,
        lambda before: Profile(before.username, before.email, frozenset()),
    )
    return api.token


def cookie_of_an_administrator(setup: Setup, app: Flask) -> str:
    """The cookie of a browser in which the console is open."""
    with browser(setup, app) as visitor:
        visitor.sign_in(setup.a_person(roles=ROLE))
        assert visitor.get("/admin/users").status_code == 200
        return visitor.http.cookies["authserver"]


def expired_token(setup: Setup, http: httpx.Client) -> str:
    """A token of the shortest life, after the database's clock says that it has expired."""
    app = setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(SCOPES), access_token_lifetime=1)
    token = token_of(OAuth(http, app))
    api = AdminApi(http, token)
    for _ in range(6000):
        if api.get("/openapi.json").status_code == 200 and api.get("/clients").status_code == 401:
            return token
    pytest.fail("the token did not expire")
