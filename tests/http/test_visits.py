"""Signing in to the pages and out of them: visits, their cookie, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from flask import Flask

from tests.support.oauth import Person
from tests.support.stage import Stage
from tests.support.visitor import Visitor


@pytest.fixture
def visitor(stage: Stage, app: Flask) -> Iterator[Visitor]:
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=stage.settings.issuer) as http:
        yield Visitor(http, stage.settings.issuer)


def test_a_sign_in_opens_the_account(visitor: Visitor, person: Person):
    answer = visitor.sign_in(person)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/account/"
    page = visitor.follow()
    assert page.status_code == 200, page.text
    assert person.username in page.text


def test_a_page_without_a_visit_leads_to_the_form_and_back(visitor: Visitor, person: Person):
    answer = visitor.get("/account/")
    assert answer.headers["location"] == "/account/sign-in?next=/account/"
    visitor.follow()
    answer = visitor.submit("/account/sign-in", {"login": person.username, "password": person.password})
    assert answer.headers["location"] == "/account/"


def test_a_sign_out_ends_the_visit(visitor: Visitor, person: Person, stage: Stage):
    visitor.sign_in(person)
    visitor.follow()
    answer = visitor.submit("/account/sign-out")
    assert answer.headers["location"] == "/account/sign-in"
    assert "You are signed out." in visitor.follow().text
    assert visitor.get("/account/").status_code == 303
    assert len(stage.events("visit.opened")) == len(stage.events("visit.ended")) == 1
