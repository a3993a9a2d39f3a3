"""A sign-in to the pages that overlaps with an act which shuts the user out: no visit comes alive afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from authserver.administration import users
from authserver.administration.context import Administration
from tests.support.at_once import threads_at_once
from tests.support.databases import on_both_databases
from tests.support.hasher import blocked_hasher, make_patient, pool_of, until
from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

pytestmark = on_both_databases

ROUNDS = 20


@pytest.fixture
def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:tester")


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account/").status_code == 200


@pytest.mark.parametrize(
    ("shut_out", "reason"),
    [
        (lambda admin, person: users.disable(admin, person.username), "user_disabled"),
        (lambda admin, person: users.set_password(admin, person.username, person.password), "password_changed"),
        (lambda admin, person: users.remove(admin, person.username), "user_disabled"),
    ],
    ids=["disabled", "the same password again", "removed"],
)
def test_a_user_who_is_shut_out_during_the_hashing_gets_no_visit(
    visitor: Visitor,
    app: Flask,
    person: Person,
    admin: Administration,
    setup: Setup,
    shut_out: Callable[[Administration, Person], object],
    reason: str,
):
    make_patient(app)
    visitor.get("/account/sign-in")
    login = {"login": person.username, "password": person.password}
    with ThreadPoolExecutor(1) as threads:
        with blocked_hasher(setup):
            answer = threads.submit(visitor.submit, "/account/sign-in", login)
            until(lambda: pool_of(app).waiting == 1)
            shut_out(admin, person)
        assert answer.result().status_code == 403
    assert "The user name or password is wrong." in answer.result().text
    assert setup.sql("SELECT id FROM visits") == []
    assert [json.loads(event.detail)["reason"] for event in setup.events("sign_in.refused")] == [reason]


def test_a_visit_that_overlaps_a_disabling_does_not_come_alive_at_the_enabling(
    visitors: Callable[[], Visitor], app: Flask, setup: Setup, admin: Administration
):
    make_patient(app)
    for _ in range(ROUNDS):
        visitor, person = visitors(), setup.a_person()
        visitor.get("/account/sign-in")
        login = {"login": person.username, "password": person.password}
        threads_at_once(
            lambda: visitor.submit("/account/sign-in", login),  # noqa: B023 - it runs within its round
            lambda: users.disable(admin, person.username),  # noqa: B023
        )
        users.enable(admin, person.username)
        assert not is_signed_in(visitor)
        assert visitor.sign_in(person).status_code == 303, "the password still signs in"
