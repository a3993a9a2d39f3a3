"""Two tabs of one browser at the sign-in form: both forms count, whichever is sent first."""

from __future__ import annotations

from tests.support.oauth import Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

SIGN_IN = "/account/sign-in"


def opened(browser: Visitor) -> dict[str, str]:
    """The fields of a sign-in form in a new tab."""
    browser.get(SIGN_IN)
    return dict(browser.form(SIGN_IN).fields)


def test_the_second_tab_makes_no_new_secret(visitor: Visitor):
    opened(visitor)
    before = visitor.http.cookies["authserver-form"]
    answer = visitor.get(SIGN_IN)
    assert "set-cookie" not in answer.headers
    assert visitor.http.cookies["authserver-form"] == before


def test_both_tabs_sign_in_in_either_order(visitor: Visitor, person: Person):
    login = {"login": person.username, "password": person.password}
    first, second = opened(visitor), opened(visitor)
    for form in (second, first):
        assert visitor.post(SIGN_IN, {**form, **login}).status_code == 303
        assert visitor.get("/account/").status_code == 200


def test_the_second_tab_signs_another_user_in_and_ends_the_first_visit(visitor: Visitor, person: Person, setup: Setup):
    other = setup.a_person()
    forms = [opened(visitor), opened(visitor)]
    for form, one in zip(forms, (person, other), strict=True):
        assert visitor.post(SIGN_IN, {**form, "login": one.username, "password": one.password}).status_code == 303
    assert other.username in visitor.get("/account/").text
    assert len(setup.sql("SELECT id FROM visits")) == 1


def test_a_sign_in_form_of_another_secret_is_shown_again_with_the_name(visitor: Visitor, person: Person):
    """Two tabs that a browser opens at once get two secrets, and the cookie of one is lost."""
    form = {**opened(visitor), "login": person.username, "password": person.password}
    visitor.http.cookies.clear()
    page = visitor.post(SIGN_IN, form)
    assert page.status_code == 403
    assert "type your password once more" in page.text
    assert dict(visitor.form(SIGN_IN).fields)["login"] == person.username
    assert person.password not in page.text
    assert visitor.submit(SIGN_IN, {"password": person.password}).status_code == 303
