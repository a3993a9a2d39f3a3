"""The rules of a client's registration: every rule refuses its breach, and doubtful values get a warning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from authserver.apis.model import Api, Catalogue, Scope
from authserver.clients.fields import KINDS, Registration
from authserver.clients.registration import (
    new_client_id,
    problems,
    warnings,
)
from authserver.clients.registry import CLIENT_ID
from authserver.settings.values import TokenSettings

ORDERS, REPORTS = "https://orders.example.com", "https://reports.example.com"
CATALOGUE = Catalogue(
    {
        ORDERS: Api(ORDERS, "Orders", None, frozenset({"read", "write"})),
        REPORTS: Api(REPORTS, "Reports", None, frozenset({"reports"})),
    },
    {
        name: Scope(name, owner, frozenset())
        for name, owner in (("read", ORDERS), ("write", ORDERS), ("reports", REPORTS))
    },
)
TOKENS = TokenSettings()


def a_registration(kind: str = "web", **changes: Any) -> Registration:
    values: dict[str, Any] = {"scopes": frozenset({"read"}), **KINDS.get(kind, KINDS["web"]), **changes}
    return Registration(**{"client_id": "shop", "name": "Shop", "kind": kind, **values})


def told(client: Registration) -> list[str]:
    """The problems of a registration, as a command prints them."""
    return [str(problem) for problem in problems(client, CATALOGUE, TOKENS)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_fills_in_keeps_every_rule(kind: str):
    assert told(a_registration(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_has_the_password_grant_unless_it_is_asked_for(kind: str):
    assert "password" not in a_registration(kind).grants


@pytest.mark.parametrize(("kind", "late_retries"), [("web", 0), ("service", 0), ("browser", 1), ("mobile", 1)])
def test_apps_that_are_killed_in_mid_request_have_one_late_retry(kind: str, late_retries: int):
    assert a_registration(kind).late_retries == late_retries


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": ""}, "client_id:"),
        ({"client_id": "a" * 33}, "client_id:"),
        ({"client_id": "two words"}, "client_id:"),
        ({"client_id": "-shop"}, "client_id: must not begin with a hyphen"),
        ({"client_id": "01a1fac2-12e3-7280-82fe-fb8f1baceb69"}, "client_id:"),
        ({"name": " "}, "name:"),
        ({"name": "n" * 101}, "name:"),
        ({"name": "Shop\x1b[2J"}, "name:"),
        ({"kind": "toaster"}, "kind:"),
        ({"auth_methods": frozenset()}, "auth_methods:"),
        ({"auth_methods": frozenset({"none", "client_secret_basic"})}, "none stands alone"),
        ({"auth_methods": frozenset({"telepathy"})}, "there is no telepathy"),
        ({"grants": frozenset()}, "grants:"),
        ({"grants": frozenset({"implicit"})}, "there is no implicit"),
        ({"scopes": frozenset({"read", "unknown"})}, "no API owns unknown"),
        ({"scopes": frozenset({'"'})}, "RFC 6749 section 3.3"),
        ({"default_scopes": frozenset({"write"})}, "write is not among"),
        ({"default_api": "https://nobody.example.com"}, "default_api:"),
        ({"refresh_policy": "forever"}, "refresh_policy:"),
        ({"retry_window": 301}, "retry_window:"),
        ({"late_retries": -1}, "late_retries:"),
        ({"late_retries": 11}, "late_retries:"),
        ({"max_sessions_per_user": 0}, "max_sessions_per_user:"),
        ({"access_token_lifetime": 0}, "must be 1 to 86400"),
        ({"access_token_lifetime": 86_401}, "must be 1 to 86400"),
        ({"refresh_idle_lifetime": 2_592_001}, "at most refresh_absolute_lifetime"),
        ({"refresh_idle_lifetime": 60}, "access_token_lifetime: must be at most refresh_idle_lifetime (60 s)"),
    ],
)
def test_a_breach_is_refused_and_named(changes: dict[str, Any], said: str):
    assert any(said in problem for problem in told(a_registration(**changes)))


def test_a_public_client_can_have_neither_client_credentials_nor_a_stable_refresh_token():
    found = told(a_registration("mobile", grants=frozenset({"client_credentials"}), refresh_policy="stable"))
    assert [problem.split(":")[0] for problem in found] == ["grants", "refresh_policy"]


def test_all_problems_come_at_once():
    assert len(told(a_registration(client_id="", name="", scopes=frozenset({"unknown"}), late_retries=-1))) == 4


def test_the_password_grant_is_warned_of_with_the_text_that_forbids_it():
    (warning,) = warnings(a_registration(grants=frozenset({"password", "refresh_token"})), CATALOGUE)
    assert "RFC 9700 section 2.4" in warning.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "refresh but not sign in"),
        ({"scopes": frozenset()}, "no scopes"),
        ({"scopes": frozenset({"read", "reports"})}, "several APIs"),
        ({"late_retries": 2}, "late_retries"),
        ({"retry_window": 0}, "retry_window"),
    ],
)
def test_what_holds_but_is_doubtful_is_warned_of(changes: dict[str, Any], said: str):
    client = a_registration(**changes)
    assert told(client) == []
    assert any(said in str(warning) for warning in warnings(client, CATALOGUE))


def test_default_scopes_of_one_api_settle_the_doubt_about_several():
    client = a_registration(scopes=frozenset({"read", "reports"}), default_scopes=frozenset({"read"}))
    assert not any("several APIs" in str(warning) for warning in warnings(client, CATALOGUE))


def test_a_generated_client_id_is_one_and_never_reads_as_an_option():
    made = {new_client_id() for _ in range(100)}
    assert len(made) == 100
    assert all(CLIENT_ID.fullmatch(client_id) and client_id.isalnum() for client_id in made)


def test_the_columns_are_those_of_the_row():
    client = a_registration(late_retries=3)
    assert replace(client, **client.columns()) == client
