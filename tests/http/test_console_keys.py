"""The console's keys: their state and next rotation, a rotation now, and marking as leaked after a confirmation."""

from __future__ import annotations

import pytest

from tests.support.console import Elements, an_administrator
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.visitor import Visitor

KEYS = "/admin/keys"


def active(setup: Setup, kind: str) -> int:
    (row,) = setup.sql("SELECT id FROM keys WHERE kind = :kind AND state = 'active'", kind=kind)
    key_id: int = row.id
    return key_id


def test_each_kind_is_explained_with_its_states_and_the_next_rotation(console: Visitor):
    shown = Elements(console.get(KEYS).text).words
    for text in (
        "Signs access tokens",
        "Stands behind refresh tokens",
        "In use for new tokens",
        "in 29 days",
        "in 89 days",
    ):
        assert text in shown
    assert "sealed" not in shown


@pytest.mark.parametrize("kind", ["signing", "token", "opaque"])
def test_a_key_is_rotated_now_when_it_is_known_or_at_once(console: Visitor, setup: Setup, kind: str):
    before = active(setup, kind)
    page = console.get(f"{KEYS}/rotate/{kind}")
    assert "Every session goes on" in page.text
    page = console.submit(f"{KEYS}/rotate/{kind}")
    assert page.status_code == 409
    assert "is not known to every API and node yet" in Elements(page.text).words
    assert active(setup, kind) == before
    assert console.submit(f"{KEYS}/rotate/{kind}", {"at_once": "1"}).status_code == 303
    assert active(setup, kind) != before
    assert setup.events("key.promoted")[-1].actor.startswith("user:")


@pytest.mark.parametrize("kind", ["signing", "opaque"])
def test_a_key_is_marked_as_leaked_only_when_its_number_is_typed(console: Visitor, setup: Setup, kind: str):
    key_id = active(setup, kind)
    here = f"{KEYS}/{key_id}/leaked"
    page = Elements(console.get(here).text).words
    assert "cannot be undone" in page
    assert "It is gone at once" in page
    for typed in ("", "999", "yes"):
        assert console.submit(here, {"number": typed}).status_code == 422
    assert setup.events("key.leaked") == []
    assert console.submit(here, {"number": str(key_id)}).status_code == 303
    assert "as leaked." in console.follow().text
    assert [row.state for row in setup.sql("SELECT state FROM keys WHERE id = :id", id=key_id)] == ["gone"]
    assert active(setup, kind) != key_id
    assert console.get(here).status_code == 404
    assert "leaked" in Elements(console.get(f"{KEYS}?gone=1").text).words


@pytest.mark.parametrize("act", ["rotate", "leaked"])
def test_both_ask_for_the_password_when_it_was_typed_too_long_ago(console: Visitor, setup: Setup, act: str):
    key_id = active(setup, "token")
    here = f"{KEYS}/rotate/token" if act == "rotate" else f"{KEYS}/{key_id}/leaked"
    console.get(here)
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")
    page = console.submit(here, {"number": str(key_id), "at_once": "1"})
    assert page.status_code == 403
    assert "needs your password again" in page.text
    assert active(setup, "token") == key_id


def test_who_may_only_look_can_do_neither(setup: Setup, visitor: Visitor):
    key_id = active(setup, "signing")
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:keys:read"})))
    page = visitor.get(KEYS)
    assert page.status_code == 200
    assert "key now" not in page.text
    token = dict(visitor.form("/account/sign-out").fields)["csrf_token"]
    for path in ("rotate/signing", f"{key_id}/leaked"):
        assert visitor.get(f"{KEYS}/{path}").status_code == 403
        form = {"csrf_token": token, "at_once": "1", "number": str(key_id)}
        assert visitor.post(f"{KEYS}/{path}", form).status_code == 403
    assert active(setup, "signing") == key_id


@on_both_databases
@pytest.mark.parametrize("path", ["rotate/nonsense", "999999/leaked", "99999999999999999999/leaked"])
def test_what_is_no_key_is_not_found(console: Visitor, path: str):
    assert console.get(f"{KEYS}/{path}").status_code == 404
