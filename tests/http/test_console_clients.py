"""The console's pages of clients: the list with its filters, and the form that changes one."""

from __future__ import annotations

import pytest
from flask import Flask

from authserver.clients.fields import FIELDS
from tests.support.admin_api import a_program, refused
from tests.support.client_pages import client, filled, submit, words
from tests.support.console import Elements, an_administrator, browser
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth
from tests.support.setup import Setup
from tests.support.visitor import Visitor


@pytest.fixture
def admin(console: Visitor) -> Visitor:
    """An administrator who has just signed in."""
    return console


# --- lists -----------------------------------------------------------------------------------------------------------


@on_both_databases
def test_clients_are_found_by_text_kind_state_and_scope(admin: Visitor, setup: Setup):
    setup.an_app(client_id="one", name="First shop", kind="web", scopes={"read"})
    setup.an_app(client_id="two", name="Second shop", kind="mobile", scopes={"write"})
    setup.sql("UPDATE clients SET enabled = :off WHERE client_id = 'two'", off=False)

    def found(query: str) -> set[str]:
        page = admin.get(f"/admin/clients?{query}").text
        return {name for name in ("one", "two") if f"client={name}" in page}

    assert found("") == {"one", "two"}
    assert found("q=SHOP") == {"one", "two"}
    assert found("q=first") == {"one"}
    assert found("kind=mobile") == {"two"}
    assert found("state=disabled") == {"two"}
    assert found("state=enabled") == {"one"}
    assert found("scope=write") == {"two"}
    assert found("q=%25") == set(), "the text is not a pattern"
    assert "No client is like that" in words(admin.get("/admin/clients?q=nothing"))


def test_a_client_whose_access_cookie_may_be_too_long_is_told_so(admin: Visitor, setup: Setup):
    names = [f"{number:03d}".ljust(100, "x") for number in range(30)]
    setup.an_api("https://b.example.com", " ".join(names))
    cookies = {"token_delivery": "both_cookies", "origins": frozenset({"https://app.example.com"})}
    for client_id, scopes in (("short", names[:1]), ("long", names)):
        setup.an_app(client_id=client_id, public=True, kind="browser", scopes=set(scopes), **cookies)
    warning = "Scopes: the access token may be too long for a cookie"
    assert warning not in words(admin.get("/admin/clients/show?client=short"))
    assert warning in words(admin.get("/admin/clients/show?client=long"))


@on_both_databases
def test_a_long_list_comes_in_pages(admin: Visitor, setup: Setup):
    for number in range(60):
        setup.an_app(client_id=f"app-{number:03}", public=True)
    first = admin.get("/admin/clients")
    assert "app-049" in first.text
    assert "app-050" not in first.text
    second = admin.get("/admin/clients?after=app-049")
    assert "app-050" in second.text
    assert "app-059" in second.text
    assert "More clients" in first.text
    assert "More clients" not in second.text


# --- one client ------------------------------------------------------------------------------------------------------


def test_an_edit_changes_what_it_says_and_no_more(admin: Visitor, setup: Setup):
    setup.an_app(client_id="shop", name="Shop", redirect_uris={"https://shop.example.com/a"}, scopes={"read", "write"})
    before = client(setup, "shop")
    admin.get("/admin/clients/edit?client=shop")
    answer = submit(admin, "/admin/clients/edit?client=shop", name="New shop", access_token_lifetime="5m")
    assert answer.status_code == 303, answer.text
    after = client(setup, "shop")
    assert (after.name, after.access_token_lifetime) == ("New shop", 300)
    same = ("scopes", "grants", "auth_methods", "secret_digest", "redirect_uris", "late_retries", "enabled", "epoch")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert "Saved New shop." in words(admin.follow())


@pytest.mark.parametrize(
    ("field", "newer", "told"),
    [
        ("grants", "urn:example:newer", "does not know it"),
        ("auth_methods", "newer_method", "does not know it"),
        ("scopes", "newer:scope", "Owned by no API any more"),
    ],
)
def test_an_edit_keeps_what_a_newer_version_wrote_and_says_that_it_is_there(
    admin: Visitor, setup: Setup, oauth: OAuth, field: str, newer: str, told: str
):
    setup.an_app(client_id="shop", name="Shop", scopes={"read"})
    setup.sql(f"UPDATE clients SET {field} = {field} || :newer", newer=f" {newer}")
    before, path = client(setup, "shop"), "/admin/clients/edit?client=shop"
    assert told in words(admin.get(path))
    assert submit(admin, path).status_code == 303
    admin.get(path)
    assert submit(admin, path, name="New shop").status_code == 303
    after = client(setup, "shop")
    assert after.name == "New shop"
    assert set(getattr(after, field).split()) == set(getattr(before, field).split())
    api = a_program(setup, oauth.http)
    assert api.patch("/clients/shop", {"client_name": "Shop"}, etag="*").status_code == 200
    assert newer in getattr(client(setup, "shop"), field)
    admin.get(path)
    known = [value for value in filled(admin, "/admin/clients/edit")[field] if value != newer]
    assert submit(admin, path, **{field: [*known, "other"]}).status_code == 422, (
        "old values are kept, new ones need a check"
    )
    assert submit(admin, path, **{field: known}).status_code == 303, "a value that is unchecked goes"
    assert newer not in getattr(client(setup, "shop"), field)


def test_an_edit_keeps_what_the_form_shows_like_something_else(admin: Visitor, setup: Setup):
    """No default scopes and all scopes by default look the same in the form, and mean the opposite."""
    setup.an_app(client_id="shop", name="Shop", default_scopes=set())
    path = "/admin/clients/edit?client=shop"
    admin.get(path)
    assert submit(admin, path, name="New shop").status_code == 303
    assert (client(setup, "shop").name, client(setup, "shop").default_scopes) == ("New shop", "")


def test_the_page_of_a_client_shows_every_field(admin: Visitor, setup: Setup):
    setup.an_app(client_id="shop", name="Shop")
    shown = words(admin.get("/admin/clients/show?client=shop"))
    for name, field in FIELDS.items():
        assert (field.label if name not in ("name", "kind") else getattr(client(setup, "shop"), name)) in shown


@on_both_databases
def test_two_who_edit_a_client_at_once_lose_nothing_without_being_told(admin: Visitor, setup: Setup, app: Flask):
    setup.an_app(client_id="shop", name="Shop", scopes={"read"})
    path = "/admin/clients/edit?client=shop"
    with browser(setup, app) as other:
        other.sign_in(an_administrator(setup))
        for visitor in (admin, other):
            visitor.get(path)
        assert submit(other, path, name="Their shop", contacts="them@example.com").status_code == 303
        answer = submit(admin, path, name="My shop", late_retries="1")
        assert answer.status_code == 412
        assert client(setup, "shop").name == "Their shop", "nothing was saved"
        told = words(answer)
        assert "Somebody else changed this client" in told
        for text in ("Their shop", "My shop", "them@example.com", "both changed"):
            assert text in Elements(answer.text).words + " ".join(Elements(answer.text).values)
        form = filled(admin, "/admin/clients/edit")
        assert form["contacts"].strip() == "them@example.com", "the other administrator's changes are carried over"
        assert form["late_retries"] == ["1"]
        assert submit(admin, path).status_code == 303
    row = client(setup, "shop")
    assert (row.name, row.contacts, row.late_retries) == ("My shop", "them@example.com", 1)


@on_both_databases
def test_what_a_program_changed_is_not_lost_to_a_form_and_the_other_way(admin: Visitor, setup: Setup, oauth: OAuth):
    """A program changes the client by the API while a form is open, and the other way round."""
    setup.an_app(client_id="shop", name="Shop", scopes={"read"})
    api, path = a_program(setup, oauth.http), "/admin/clients/edit?client=shop"
    admin.get(path)
    seen = api.get("/clients/shop").headers["etag"]
    changed = api.patch("/clients/shop", {"client_name": "The program's"}, etag=seen)
    assert changed.status_code == 200
    answer = submit(admin, path, name="The form's")
    assert answer.status_code == 412
    assert "The program's" in Elements(answer.text).words + " ".join(Elements(answer.text).values)
    assert client(setup, "shop").name == "The program's"
    assert submit(admin, path).status_code == 303, "the second attempt, after the warning, is accepted"
    late = api.patch("/clients/shop", {"client_name": "Late"}, etag=changed.headers["etag"])
    assert refused(late, 412, "changed-meanwhile")
    assert client(setup, "shop").name == "The form's"


def test_a_version_that_was_made_up_saves_nothing(admin: Visitor, setup: Setup):
    setup.an_app(client_id="shop", name="Shop")
    path = "/admin/clients/edit?client=shop"
    for version, base in (("", ""), ("0" * 64, "[]"), ("x", '{"name": 7}'), ("é", '{"name": [[]]}')):
        admin.get(path)
        assert submit(admin, path, name="Taken over", version=version, base=base).status_code == 412
    assert client(setup, "shop").name == "Shop"
