"""Users over the admin API: read, changed and removed by a program that has read their present state."""

from __future__ import annotations

import json

import pytest

from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.databases import on_both_databases
from tests.support.foreign_hashes import DEFAULT_HASHES
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup

pytestmark = on_both_databases


@pytest.fixture
def api(setup: Setup, oauth: OAuth) -> AdminApi:
    return a_program(setup, oauth.http)


@pytest.fixture
def path(setup: Setup, person: Person) -> str:
    """The path of a user of yesterday, so that a change now has a later time than the last one."""
    setup.sql("UPDATE users SET changed_at = changed_at - 86400000, created_at = created_at - 86400000")
    return f"/users/{person.id}"


def test_a_user_of_yesterday_is_changed_with_the_etag_that_was_read(api: AdminApi, path: str):
    before = api.get(path)
    changed = api.patch(path, {"roles": ["editor"]}, etag=before.headers["etag"])
    assert changed.status_code == 200, changed.text
    assert changed.json()["roles"] == ["editor"]
    assert changed.json()["changed_at"] > before.json()["changed_at"]
    assert api.get(path).headers["etag"] == changed.headers["etag"]
    assert refused(api.patch(path, {"roles": []}, etag=before.headers["etag"]), 412, "changed-meanwhile")


@pytest.mark.parametrize(
    "form", ['W/"{}"', 'w/"{}"', '"{}-gzip"', '"{}--gzip"', '"{};gzip"', 'W/"{}-br"', '"another", W/"{}"', '"{}"', "*"]
)
def test_a_tag_counts_in_each_form_that_proxies_make_of_it(api: AdminApi, path: str, form: str):
    first = api.get(path).headers["etag"].strip('"')
    assert api.patch(path, {"roles": ["editor"]}, etag=form.format(first)).status_code == 200
    if form != "*":
        assert refused(api.patch(path, {"roles": []}, etag=form.format(first)), 412, "changed-meanwhile")


@pytest.mark.parametrize(
    "form", ['W/"another"', '"{}x"', '"x{}"', '"{}-other"', '"-gzip"', '"*"', 'W/"*"', '"{}', '""', 'W/""']
)
def test_another_tag_changes_nothing(api: AdminApi, path: str, form: str):
    before = api.get(path)
    tag = form.format(before.headers["etag"].strip('"'))
    assert refused(api.patch(path, {"roles": ["editor"]}, etag=tag), 412, "changed-meanwhile")
    assert api.get(path).json() == before.json()


def test_a_refused_change_leaves_the_time_of_the_last_one(api: AdminApi, path: str):
    before = api.get(path)
    assert api.patch(path, {"email": "no address"}, etag=before.headers["etag"]).status_code == 422
    assert api.get(path).json() == before.json()


def test_a_user_of_yesterday_is_removed_with_the_etag_that_was_read(
    api: AdminApi, path: str, oauth: OAuth, person: Person
):
    etag = api.get(path).headers["etag"]
    assert api.delete(path, etag='"another"').status_code == 412
    assert api.delete(path, etag=etag).status_code == 204
    assert oauth.sign_in(person).status_code == 400
    assert api.get(path).status_code == 404


def test_a_user_who_is_disabled_and_enabled_again_signs_in(api: AdminApi, path: str, oauth: OAuth, person: Person):
    assert oauth.sign_in(person).status_code == 200
    assert api.post(f"{path}/disable").json() == {"sessions_ended": 1}
    assert oauth.sign_in(person).status_code == 400
    assert api.post(f"{path}/enable").json()["enabled"] is True
    assert oauth.sign_in(person).status_code == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'username,"email\nanna,\n', "a quotation mark is left open"),
        (b"username,email\ranna,\r", "ends in CR alone"),
        ("username,email\nanna,\n".encode("utf-16"), "looks like UTF-16"),
    ],
    ids=range(3),
)
def test_a_file_whose_first_line_cannot_be_read_is_refused_with_the_reason(api: AdminApi, text: bytes, said: str):
    csv = {"Content-Type": "text/csv"}
    assert api.send("POST", "/users/import", content=b"username,email\nanna,\n", headers=csv).json()["added"] == 1
    response = api.send("POST", "/users/import", content=text, headers=csv)
    assert refused(response, 422, "invalid")
    (error,) = response.json()["errors"]
    assert said in error["detail"]


def test_an_import_takes_a_thousand_lines_in_two_mebibytes_and_no_other_body_is_that_large(api: AdminApi, setup: Setup):
    """Once a body of more than server.max_body_bytes was refused: some 200 users with their hashes."""
    jsonl = {"Content-Type": "application/jsonl"}
    values = {"roles": ["editor"], "password_hash": DEFAULT_HASHES["Django"]}
    lines = [json.dumps({"username": f"user {number}", **values}) + " " * 1000 + "\n" for number in range(1001)]
    body = "".join(lines[:1000])
    assert 1024 * 1024 < len(body) < 2 * 1024 * 1024
    report = api.send("POST", "/users/import", content=body, headers=jsonl).json()
    assert (report["added"], report["refused"]) == (1000, 0)
    assert setup.sql("SELECT count(*) AS n FROM users")[0].n == 1000
    more = api.send("POST", "/users/import", content="".join(lines), headers=jsonl)
    assert refused(more, 413, "too-large")
    assert "at most 1,000 lines" in more.json()["detail"]
    wide = api.send("POST", "/users/import", content=body + " " * (2 * 1024 * 1024), headers=jsonl)
    assert refused(wide, 413, "too-large")
    assert "2,097,152 bytes" in wide.json()["detail"]
    assert refused(api.post("/users", {"username": "x" * 70_000}), 413, "too-large")
