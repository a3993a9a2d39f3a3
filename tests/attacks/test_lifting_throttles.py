"""Lifting delays would let a guesser go on: who may not do it, and whose delay even a helper may not lift."""

from __future__ import annotations

import pytest
from flask import Flask

from authserver.apis.administration import SCOPES
from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.console import an_administrator, browser
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup

LIFT = "/throttling/lift"
WRITE = "authserver:users:write"


def fail(oauth: OAuth, person: Person) -> None:
    assert oauth.sign_in(Person("", person.username, "wrong password")).status_code == 400


def counts(setup: Setup) -> list[object]:
    buckets = setup.sql("SELECT * FROM throttle_buckets WHERE empty_at > 0 ORDER BY kind, slot")
    return [*buckets, *setup.sql("SELECT * FROM throttle_strangers ORDER BY slot")]


def test_a_program_that_may_do_all_but_change_users_lifts_nothing(oauth: OAuth, setup: Setup, person: Person):
    named = {"user": person.username, "client_id": oauth.app.client_id}
    fail(oauth, person)
    lifted = a_program(setup, oauth.http, WRITE).post(LIFT, named)
    assert len(lifted.json()["items"]) == 2
    fail(oauth, person)
    before = counts(setup)
    others = a_program(setup, oauth.http, *(set(SCOPES) - {WRITE}))
    assert refused(others.post(LIFT, named), 403, "forbidden")
    assert refused(AdminApi(oauth.http, "garbage").post(LIFT, named), 401, "unauthenticated")
    assert counts(setup) == before
    assert len(setup.events("throttle.lifted")) == 1


def test_a_helper_cannot_lift_the_delay_of_an_administrator_with_more_authority(oauth: OAuth, setup: Setup):
    root, clerk = an_administrator(setup), setup.a_person()
    for person in (root, clerk):
        fail(oauth, person)
    helper = a_program(setup, oauth.http, WRITE, "authserver:users:read")
    assert helper.post(LIFT, {"user": clerk.username}).json()["items"]
    before = counts(setup)
    for name in (root.username, root.username.upper(), f" {root.username} ", root.id):
        answer = helper.post(LIFT, {"user": name})
        assert refused(answer, 403, "forbidden"), answer.text
    assert counts(setup) == before
    assert a_program(setup, oauth.http).post(LIFT, {"user": root.username}).json()["items"]


@pytest.mark.parametrize("field", ["user", "address", "client"])
def test_a_text_from_outside_stays_text_on_the_page(app: Flask, setup: Setup, field: str):
    with browser(setup, app) as visitor:
        visitor.sign_in(an_administrator(setup))
        assert "evil" in visitor.get(f"/admin/throttling?{field}=evil").text
        page = visitor.get(f"/admin/throttling?{field}=%22%3E%3Cscript%3Eevil()%3C/script%3E").text
        assert "<script>evil" not in page
        assert "&lt;script&gt;evil()" in page


def test_a_name_that_no_user_has_is_no_part_of_the_record(oauth: OAuth, setup: Setup):
    """Somebody typed a password into the field of the name, and the administrator looks at what was typed."""
    typed = Person("", "correct horse battery staple", "wrong password")
    fail(oauth, typed)
    lifted = a_program(setup, oauth.http, WRITE).post(LIFT, {"user": typed.username})
    assert [one["of"] for one in lifted.json()["items"]] == [typed.username]
    (event,) = setup.events("throttle.lifted")
    assert "horse" not in repr(tuple(event))
    assert "no user has it" in event.detail
