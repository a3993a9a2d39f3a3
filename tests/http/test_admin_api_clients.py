"""Clients over the admin API: a program registers them, and apps use them."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth
from tests.support.setup import Setup


@pytest.fixture
def api(setup: Setup, oauth: OAuth) -> AdminApi:
    return a_program(setup, oauth.http)


def registered(api: AdminApi, **members: object) -> httpx.Response:
    response = api.post("/clients", {"kind": "service", "client_name": "Billing", "scope": "read", **members})
    assert response.status_code == 201, response.text
    return response


def test_a_registered_client_gets_tokens_with_the_secret_that_it_was_shown_once(api: AdminApi, oauth: OAuth):
    body = registered(api, client_id="billing").json()
    assert oauth.as_app(App("billing", body["client_secret"])).own_token(scope="read").status_code == 200
    assert body["client_secret_expires_at"] == 0
    assert "client_secret" not in api.get("/clients/billing").json()


def test_a_kind_alone_fills_safe_values(api: AdminApi):
    body = api.post("/clients", {"kind": "mobile", "client_name": "App"}).json()
    assert body["token_endpoint_auth_methods"] == ["none"]
    assert body["grant_types"] == ["refresh_token"]
    assert body["late_retries"] == 1
    assert "client_secret" not in body or body["client_secret"] is None


@on_both_databases
def test_a_list_is_paged_and_what_is_added_meanwhile_shifts_nothing(api: AdminApi):
    for number in range(5):
        registered(api, client_id=f"list-{number}")
    first = api.get("/clients", params={"limit": 2, "q": "LIST-"}).json()
    registered(api, client_id="list-00")
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    found = [[item["client_id"] for item in page["items"]] for page in (first, second, third)]
    assert found == [["list-0", "list-1"], ["list-2", "list-3"], ["list-4"]]
    assert third["next"] is None


def test_a_member_that_is_not_known_is_refused_by_name(api: AdminApi):
    response = api.post("/clients", {"kind": "web", "client_name": "x", "enabled": False, "epoch": 7})
    assert refused(response, 400, "malformed")
    assert {error["field"] for error in response.json()["errors"]} == {"/enabled", "/epoch"}


def test_the_document_describes_what_is_served(api: AdminApi):
    document = api.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert "post" in document["paths"]["/clients"]


def test_the_documentation_is_a_page_that_needs_no_script_and_no_other_host(api: AdminApi):
    response = api.http.get("/admin/api/docs")
    assert response.status_code == 200
    assert "script-src" not in response.headers["content-security-policy"]
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert re.findall(r'(?:src|href)="(?:\w+:|//)', response.text) == []
    for path in api.get("/openapi.json").json()["paths"]:
        assert path in response.text
