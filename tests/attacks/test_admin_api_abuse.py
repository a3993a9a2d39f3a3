"""An attacker with some authority at the admin API tries more authority, other members, other paths and bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from authserver.apis.administration import AUDIENCE, ROLE
from authserver.keys.setup import open_vault
from authserver.keys.vault import Vault
from tests.support.admin_api import AdminApi, a_program, refused, segment
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth
from tests.support.setup import Setup

_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api(setup: Setup, oauth: OAuth) -> AdminApi:
    return a_program(setup, oauth.http)


@pytest.mark.parametrize(
    "member", ["enabled", "epoch", "secret_digest", "client_secret", "swept_epoch", "status_index", "removed_at"]
)
def test_a_member_that_is_the_servers_own_cannot_be_assigned(api: AdminApi, setup: Setup, member: str):
    client_id = setup.an_app().client_id
    good = {"client_name": "Renamed"}
    assert api.patch(f"/clients/{client_id}", good, etag="*").status_code == 200
    before = setup.sql("SELECT * FROM clients WHERE client_id = :id", id=client_id)
    for response in (
        api.patch(f"/clients/{client_id}", {**good, member: 1}, etag="*"),
        api.put(f"/clients/{client_id}", {"kind": "web", **good, member: 1}, etag="*"),
        api.post("/clients", {"kind": "web", **good, member: 1}),
    ):
        assert refused(response, 400, "malformed")
        assert [error["field"] for error in response.json()["errors"]] == [f"/{member}"]
    assert setup.sql("SELECT * FROM clients WHERE client_id = :id", id=client_id) == before


def test_who_may_write_clients_cannot_make_one_that_may_do_more(setup: Setup, oauth: OAuth):
    registrar = a_program(setup, oauth.http, "authserver:clients:write")
    ours = {"kind": "service", "client_name": "x", "scope": "authserver:clients:write"}
    assert registrar.post("/clients", ours).status_code == 201
    more = {**ours, "scope": "authserver:clients:write authserver:users:write"}
    assert refused(registrar.post("/clients", more), 403, "forbidden")
    plain = setup.an_app().client_id
    for act in (
        registrar.patch(f"/clients/{plain}", {"scope": "authserver:keys:write"}, etag="*"),
        registrar.put(f"/clients/{plain}", {**more, "kind": "service"}, etag="*"),
    ):
        assert refused(act, 403, "forbidden")


def test_who_may_write_clients_cannot_take_over_one_that_may_do_more(setup: Setup, oauth: OAuth):
    registrar = a_program(setup, oauth.http, "authserver:clients:write")
    strong = setup.an_app(scopes={"authserver:keys:write"}).client_id
    weak = setup.an_app().client_id
    assert registrar.post(f"/clients/{weak}/secret", {}).status_code == 200
    assert refused(registrar.post(f"/clients/{strong}/secret", {}), 403, "forbidden")
    assert refused(registrar.patch(f"/clients/{strong}", {"client_name": "Mine"}, etag="*"), 403, "forbidden")
    assert refused(registrar.post(f"/clients/{strong}/disable"), 403, "forbidden")
    assert refused(registrar.delete(f"/clients/{strong}", etag="*"), 403, "forbidden")


def test_who_may_write_users_cannot_become_or_take_over_an_administrator(setup: Setup, oauth: OAuth):
    clerk = a_program(setup, oauth.http, "authserver:users:write")
    boss, person = setup.a_person(roles=ROLE), setup.a_person()
    password = {"password": "a password of the clerk"}
    assert clerk.post(f"/users/{person.id}/password", password).status_code == 200
    assert clerk.patch(f"/users/{person.id}", {"roles": ["editor"]}, etag="*").status_code == 200
    for act in (
        clerk.post("/users", {"username": "mallory", "roles": [ROLE], **password}),
        clerk.patch(f"/users/{person.id}", {"roles": [ROLE]}, etag="*"),
        clerk.post(f"/users/{boss.id}/password", password),
        clerk.patch(f"/users/{boss.id}", {"email": "mallory@example.com"}, etag="*"),
        clerk.post(f"/users/{boss.id}/disable"),
        clerk.delete(f"/users/{boss.id}", etag="*"),
    ):
        assert refused(act, 403, "forbidden")


def test_a_link_for_a_password_is_made_for_whom_the_program_may_change(setup: Setup, oauth: OAuth):
    helper = a_program(setup, oauth.http, "authserver:users:write")
    person, boss = setup.a_person(), setup.a_person(roles=ROLE)
    made = helper.post(f"/users/{person.id}/password-link", headers={"Host": "evil.example"})
    assert made.status_code == 201
    assert made.json()["username"] == person.username
    assert made.json()["url"].startswith(f"{setup.settings.issuer}/account/password/")
    assert "no-store" in made.headers["cache-control"]
    assert oauth.http.get(made.json()["url"]).status_code == 200
    assert refused(helper.post(f"/users/{boss.id}/password-link"), 403, "forbidden")
    assert helper.post(f"/users/{person.id}/disable").status_code == 200
    assert refused(helper.post(f"/users/{person.id}/password-link"), 409, "conflict")


def test_who_may_write_apis_cannot_open_administration_to_another_role(setup: Setup, oauth: OAuth):
    keeper = a_program(setup, oauth.http, "authserver:apis:read", "authserver:apis:write")
    (own,) = keeper.get("/apis", params={"q": AUDIENCE}).json()["items"]
    assert keeper.post("/apis", {"audience": "urn:mine", "scopes": {"mine": []}}).status_code == 201
    opened = {name: ["everybody"] for name in own["scopes"]}
    assert refused(keeper.patch(f"/apis/{own['id']}", {"scopes": opened}, etag="*"), 403, "forbidden")
    false = keeper.post("/apis", {"audience": "urn:false", "scopes": {"authserver:clients:read": []}})
    assert refused(false, 422, "invalid")
    assert a_program(setup, oauth.http).delete(f"/apis/{own['id']}", etag="*").status_code == 409


@on_both_databases
@pytest.mark.parametrize(
    "name",
    [
        "../clients",
        "..%2f",
        "a/b",
        "%00",
        "\0",
        "a\0b",
        "\r\nX-Injected: 1",
        "é",
        "%",
        "?",
        "#",
        " ",
        "." * 400,
    ],
)
def test_no_trick_in_a_path_finds_anything_or_makes_the_server_fail(api: AdminApi, setup: Setup, name: str):
    client_id = setup.an_app().client_id
    assert api.get(f"/clients/{segment(client_id)}").status_code == 200
    quoted = name.encode("utf-8", "surrogateescape")
    for resource in ("clients", "users", "apis", "sessions"):
        address = httpx.URL(f"{api.http.base_url}/admin/api/{resource}/").copy_with(
            raw_path=f"/admin/api/{resource}/".encode() + b"".join(b"%%%02x" % byte for byte in quoted)
        )
        response = api.http.get(address, headers={"Authorization": f"Bearer {api.token}"})
        assert refused(response, 404, "not-found"), (resource, response.text)
        assert "x-injected" not in response.headers


@pytest.mark.parametrize(
    "body",
    [
        '{"kind":"web","kind":"service","client_name":"x"}',
        '{"kind":"web","client_name":"x","access_token_lifetime":' + "9" * 5000 + "}",
        '{"kind":"web","client_name":"x","access_token_lifetime":1e999}',
        '{"kind":"web","client_name":"x","access_token_lifetime":NaN}',
        '{"kind":"web","client_name":"x","contacts":' + "[" * 5000 + "]" * 5000 + "}",
        '{"kind":"web","client_name":"\\u0000"}',
        '{"kind":"web","client_name":"\\ud800"}',
        '{"kind":"web","client_name":"x","redirect_uris":"https://app.example.com"}',
        "[]",
        "",
        "null",
        "{",
        "\ufeff{}",
    ],
    ids=range(13),
)
def test_a_body_that_two_readers_could_take_differently_is_refused(api: AdminApi, body: str):
    good = '{"kind":"web","client_name":"x"}'
    assert api.send("POST", "/clients", content=good, headers=_JSON).status_code == 201
    assert refused(api.send("POST", "/clients", content=body.encode(), headers=_JSON), 400, "malformed")


def test_a_body_in_another_type_or_coding_or_too_large_is_refused(api: AdminApi):
    good = b'{"kind":"web","client_name":"x"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""):
        response = api.send("POST", "/clients", content=good, headers={"Content-Type": kind})
        assert refused(response, 415, "unsupported-media-type"), kind
    assert refused(api.send("POST", "/clients", content=b'{"a":"\xff"}', headers=_JSON), 400, "malformed")
    assert refused(api.send("POST", "/clients", content=b" " * 70_000 + good, headers=_JSON), 413, "too-large")


def test_what_is_not_there_and_what_is_not_done_there_is_said_in_the_same_form(api: AdminApi):
    assert refused(api.get("/nothing"), 404, "not-found")
    assert refused(api.get("/clients/"), 404, "not-found")
    response = api.delete("/clients")
    assert refused(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, POST"
    assert api.send("BREW", "/clients").headers["allow"] == "GET, HEAD, POST"
    response = api.send("OPTIONS", "/users/import")
    assert refused(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST", "what can be done to a user cannot be done to the import"


def test_no_secret_stands_in_a_list_in_the_record_or_readable_beside_the_key(api: AdminApi, setup: Setup):
    made = api.post("/clients", {"kind": "service", "client_name": "x"}, key="a-key-of-ours").json()
    secret = made["client_secret"]
    (row,) = setup.sql("SELECT * FROM idempotency_keys")
    assert secret.encode() not in bytes(row.sealed_answer)
    shown: list[Any] = [api.get("/clients").text, api.get("/audit-events").text, api.get("/settings").text]
    assert not any(secret in text for text in shown)
    assert "password_hash" not in json.dumps(api.get("/users").json())


def test_a_copy_of_the_database_helps_nobody_to_guess_a_password_that_a_request_held(api: AdminApi, setup: Setup):
    """The rows show every part of such a request except the password. A plain digest would be a fast password hash."""
    body = b'{"username": "anna", "password": "correct horse battery"}'
    first = api.post("/users", content=body, headers=_JSON, key="a-key-of-ours")
    assert first.status_code == 201
    again = api.post("/users", content=body, headers=_JSON, key="a-key-of-ours")
    assert (again.status_code, again.json()) == (201, first.json())
    other = api.post("/users", content=body.replace(b"horse", b"zebra"), headers=_JSON, key="a-key-of-ours")
    assert refused(other, 422, "idempotency-key-reused")
    (row,) = setup.sql("SELECT * FROM idempotency_keys")
    asked = b"/admin/api/users?\0" + body
    assert open_vault(setup.settings).is_tag(bytes(row.request_digest), asked)
    assert not Vault(bytes(32)).is_tag(bytes(row.request_digest), asked), "a guess cannot be tried without the key"
    inner = hashlib.sha256(body).hexdigest().encode()
    for plain in (body, asked, inner, b"/admin/api/users?\0" + inner):
        assert bytes(row.request_digest) != hashlib.sha256(plain).digest()


@pytest.mark.parametrize("key", ['a"b', '"a"b"', '"', '""', '"a', "a b", "a" * 256], ids=ascii)
def test_a_key_that_could_be_read_as_another_one_is_refused(api: AdminApi, key: str):
    body = {"kind": "service", "client_name": "x"}
    first = api.post("/clients", body, key="a-key")
    assert first.status_code == 201
    assert api.post("/clients", body, key='"a-key"').json() == first.json()
    assert refused(api.post("/clients", body, key=key), 400, "malformed")


def test_a_repetition_under_a_new_master_key_is_known_as_long_as_the_old_one_is_at_hand():
    old, new = (bytes([number]) * 32 for number in (1, 2))
    tag = Vault(old).tag(b"a request")
    assert Vault(new, old).is_tag(tag, b"a request")
    assert not Vault(new, old).is_tag(tag, b"another request")
    assert not Vault(new).is_tag(tag, b"a request")


@on_both_databases
def test_the_key_of_one_program_answers_nothing_to_another(api: AdminApi, setup: Setup, oauth: OAuth):
    body = {"kind": "service", "client_name": "x"}
    first = api.post("/clients", body, key="the-same-key").json()
    again = api.post("/clients", body, key="the-same-key").json()
    other = a_program(setup, oauth.http).post("/clients", body, key="the-same-key").json()
    assert again == first
    assert other["client_id"] != first["client_id"]
