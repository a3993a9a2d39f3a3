"""Each rule names its field as data. Every face has that field, and no text decides where an error is shown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authserver.admin_api import apis as apis_api
from authserver.admin_api import clients as clients_api
from authserver.admin_api import users as users_api
from authserver.admin_api.problems import refusal
from authserver.admin_api.route import Route
from authserver.administration.errors import Conflict, Invalid
from authserver.administration.users import Profile, profile_problems
from authserver.apis import administration, own_sessions, registration
from authserver.apis.model import Api, Catalogue, Scope
from authserver.clients.registration import fill, problems
from authserver.console.apis import ApiForm
from authserver.console.client_form import ClientForm
from authserver.console.form import Form
from authserver.console.users import UserForm
from authserver.refusals.problems import Problem
from authserver.settings.values import TokenSettings
from tests.support.server import ROOT

ORDERS = "https://orders.example.com"
CATALOGUE = Catalogue(
    {ORDERS: Api(ORDERS, "Orders", None, frozenset({"read"}))}, {"read": Scope("read", ORDERS, frozenset())}
)

#: Breaches of every rule, by field.
CLIENTS: Mapping[str, list[dict[str, Any]]] = {
    "client_id": [{"client_id": ""}, {"client_id": "-shop"}],
    "name": [{"name": " "}, {"name": "n" * 101}],
    "kind": [{"kind": "toaster"}],
    "auth_methods": [{"auth_methods": set()}, {"auth_methods": {"telepathy"}}, {"auth_methods": {"none", "client_secret_post"}}],
    "grants": [
        {"grants": set()}, {"grants": {"implicit"}}, {"grants": {"password"}, "first_party": False},
        {"grants": {"client_credentials"}, "auth_methods": {"none"}},
    ],
    "sends_user_address": [{"sends_user_address": True, "auth_methods": {"none"}}],
    "scopes": [{"scopes": {"nobodys"}}, {"scopes": {'"'}}],
    "default_scopes": [{"default_scopes": {"read"}}],
    "default_api": [{"default_api": "https://nowhere.example.com"}],
    "redirect_uris": [
        {"redirect_uris": {f"https://a.example/{n}" for n in range(51)}}, {"redirect_uris": {"https://a.example/" + "a" * 500}},
        {"redirect_uris": {"https://a.example/#"}}, {"redirect_uris": {"https://*"}}, {"redirect_uris": {"nothing"}},
        {"redirect_uris": {"https://münchen.example/a"}},
        {"redirect_uris": {"https:///a"}}, {"redirect_uris": {"http://a.example"}}, {"redirect_uris": {"app:/a"}},
    ],
    "contacts": [{"contacts": {"nobody"}}, {"contacts": {f"team@{'a' * 250}"}}, {"contacts": {f"a{n}@example.com" for n in range(21)}}],
    "origins": [
        {"origins": {"https://a.example/path"}}, {"origins": {f"https://{'a' * 250}.example"}}, {"origins": {"http://a.example"}},
        {"origins": {f"https://a{n}.example" for n in range(51)}}, {"token_delivery": "cookie", "auth_methods": {"none"}},
        {"token_delivery": "both_cookies", "auth_methods": {"none"}, "origins": {"https://a.example", "https://b.example"}},
    ],
    "token_delivery": [{"token_delivery": "pigeon"}, {"token_delivery": "cookie", "origins": {"https://a.example"}}],
    "refresh_policy": [{"refresh_policy": "forever"}, {"refresh_policy": "stable", "auth_methods": {"none"}}],
    "access_token_format": [{"access_token_format": "clay"}],
    "retry_window": [{"retry_window": 301}],
    "late_retries": [{"late_retries": 11}],
    "max_sessions_per_user": [{"max_sessions_per_user": 0}],
    "access_token_lifetime": [{"access_token_lifetime": 0}, {"refresh_idle_lifetime": 60}],
    "refresh_idle_lifetime": [{"refresh_idle_lifetime": 2_592_001}],
    "refresh_absolute_lifetime": [{"refresh_absolute_lifetime": 99_999_999_999}],
}  # fmt: skip
APIS: Mapping[str, list[dict[str, Any]]] = {
    "audience": [{"audience": "nowhere"}],
    "name": [{"name": ""}],
    "scopes": [
        {"scopes": {"two words": set()}}, {"scopes": {"read": {"-role"}}}, {"scopes": {"authserver:mine": {"boss"}}},
        {"audience": own_sessions.AUDIENCE}, {"audience": administration.AUDIENCE},
        {"audience": administration.AUDIENCE, "scopes": dict.fromkeys(administration.SCOPES, frozenset())},
    ],
}  # fmt: skip
USERS: Mapping[str, list[dict[str, Any]]] = {
    "username": [{"username": "a@b"}, {"username": "01890a5d-ac96-774b-bcce-b302099a8057"}],
    "email": [{"email": "nowhere"}],
    "roles": [{"roles": {"!"}}],
}


def of_client(**changes: Any) -> list[Problem]:
    values = {name: frozenset(value) if isinstance(value, set) else value for name, value in changes.items()}
    return problems(replace(fill("web", name="Shop"), **values), CATALOGUE, TokenSettings())


def of_api(**changes: Any) -> list[Problem]:
    return list(registration.problems(**{"audience": ORDERS, "name": "Orders", "scopes": {}, **changes}))


def of_user(**changes: Any) -> list[Problem]:
    return list(profile_problems(Profile(**{"username": "anna", "email": None, "roles": frozenset(), **changes})))


def the_route(routes: tuple[Route, ...]) -> Route:
    (route,) = (route for route in routes if route.method == "POST" and route.idempotent and "{" not in route.path)
    return route


KINDS: Mapping[str, Any] = {
    "client": (of_client, CLIENTS, lambda: ClientForm({}), the_route(clients_api.ROUTES)),
    "API": (of_api, APIS, ApiForm, the_route(apis_api.ROUTES)),
    "user": (of_user, USERS, UserForm, the_route(users_api.ROUTES)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_breaks_no_rule_has_no_problem(kind: str):
    assert KINDS[kind][0]() == []


def places(made: Form, route: Route, problem: Problem) -> tuple[list[str], str | None]:
    """The place of a problem in the console's form, and the pointer of the admin API."""
    made.blame([problem])
    (error,) = refusal(Invalid(problem), route.fields).errors
    return list(made.errors), error.pointer


@pytest.mark.parametrize(
    ("kind", "field", "breach"),
    [(kind, field, breach) for kind in KINDS for field, breaches in KINDS[kind][1].items() for breach in breaches],
)
def test_a_problem_stands_beside_its_field_however_it_is_worded(kind: str, field: str, breach: dict[str, Any]):
    check, _, form, route = KINDS[kind]
    found = [problem for problem in check(**breach) if problem.field == field]
    assert found, "the rule names its field"
    for problem in found:
        expected = [] if field == "kind" else [field]  # a client's kind is chosen before its form is opened
        assert places(form(), route, problem) == (expected, f"/{route.names.get(field, field)}")
        for text in ("scopes: reworded", "name: reworded", "client_id reworded", "role: reworded"):
            reworded = replace(problem, text=text)
            assert places(form(), route, reworded) == places(form(), route, problem)
            assert str(reworded).startswith(f"{field}: {text}")


# --- the source: finds rules without a breach above -------------------------------------------------------------------

RULES = {
    "client": ("clients/registration.py", "clients/uris.py", "clients/origins.py", "administration/clients.py"),
    "API": ("apis/registration.py", "administration/apis.py"),
    "user": ("administration/users.py",),
}
FIELD_AT = {Problem.__name__: 1, Invalid.__name__: None, Conflict.__name__: None}


def said(file: Path) -> Iterator[tuple[str, str]]:
    """The beginning of the text, and the field, of each problem that a file makes from constants."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FIELD_AT and node.args:
            place = FIELD_AT[node.func.id]
            fields = [word.value for word in node.keywords if word.arg == "field"]
            fields += [] if place is None else node.args[place : place + 1]
            for field in fields:
                if isinstance(field, ast.Constant):
                    text = ast.unparse(node.args[0]).lstrip("f").strip("\"'")
                    yield text, field.value


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind, files in RULES.items() for file in files])
def test_a_rule_names_a_field_that_the_form_and_the_api_have_and_not_in_its_text(kind: str, file: str):
    _, _, form, route = KINDS[kind]
    found = list(said(ROOT / "authserver" / file))
    assert found
    for text, field in found:
        assert field in route.fields, text
        assert field in {*form().labels, "kind"}, text
        assert not re.match(rf"{field}\b *:", text), text
