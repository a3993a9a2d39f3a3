"""An error below the paths of pages is answered with a page, never with JSON or a traceback."""

from __future__ import annotations

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

SIGN_IN = "/account/sign-in"


@pytest.mark.parametrize(("path", "status"), [("/account/nothing", 404), ("/admin/nothing/here", 404)])
def test_what_is_not_there_is_a_page(visitor: Visitor, path: str, status: int):
    page = visitor.get(path)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>" in page.text


def test_a_wrong_method_is_a_page_that_names_the_right_ones(visitor: Visitor):
    page = visitor.post("/account/events", {})
    assert page.status_code == 405
    assert "GET" in page.headers["allow"]
    assert page.headers["content-type"].startswith("text/html")


def test_a_form_that_is_too_large_is_a_page(visitor: Visitor):
    visitor.get(SIGN_IN)
    page = visitor.submit(SIGN_IN, {"login": "x" * 70_000})
    assert page.status_code == 413
    assert page.headers["content-type"].startswith("text/html")


def test_a_failure_is_a_page_with_a_reference(visitor: Visitor, person: Person, app: Flask):
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    visitor.sign_in(person)
    app.view_functions["account.events"] = fail
    page = visitor.get("/account/events")
    assert page.status_code == 500
    assert "secret detail" not in page.text
    assert "Traceback" not in page.text
    assert "<code>" in page.text


def test_a_database_that_does_not_answer_is_a_page_that_says_when_to_come_back(setup: Setup, person: Person):
    app = create_app(setup.impatient(pool_size=1))
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=setup.settings.issuer) as http:
        visitor = Visitor(http, setup.settings.issuer)
        visitor.sign_in(person)
        with app.extensions["authserver"].database.engine.connect():  # the only connection
            page = visitor.get("/account/")
        assert page.status_code == 503
        assert int(page.headers["retry-after"]) >= 1
        assert "The database does not answer" in page.text
        assert visitor.get("/account/").status_code == 200
    app.extensions["authserver"].database.dispose()
