"""The console's users: found, added, changed, given links, disabled and removed, with and without the authority for it."""

from __future__ import annotations

import re

import pytest

from authserver.settings.values import PageSettings
from tests.support.console import Elements, an_administrator, words
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth
from tests.support.setup import Setup
from tests.support.visitor import Visitor

USERS = "/admin/users"


def forget_confirmation(setup: Setup) -> None:
    setup.sql("UPDATE visits SET confirmed_at = confirmed_at - 3600000")


@on_both_databases
def test_users_are_found_by_a_part_of_name_or_address_by_role_and_by_state(console: Visitor, setup: Setup):
    setup.a_person(username="anna", email="anna@example.com", roles="editor")
    berta = setup.a_person(username="berta")
    setup.sql("UPDATE users SET enabled = FALSE WHERE username = 'berta'")
    for asked, there, gone in (
        ("q=nn", "anna", "berta"),
        ("q=EXAMPLE", "anna", "berta"),
        ("role=editor", "anna", "berta"),
        ("state=disabled", "berta", "anna"),
    ):
        shown = words(console, f"{USERS}?{asked}")
        assert there in shown
        assert gone not in shown
    assert "No user matches" in words(console, f"{USERS}?q=nobody")
    assert berta.id in console.get(USERS).text


@on_both_databases
def test_a_long_list_is_shown_page_by_page_and_nobody_twice(console: Visitor, setup: Setup):
    names = {f"user-{number:03}" for number in range(120)}
    for name in sorted(names):
        setup.a_person(username=name, password_hash="none")
    seen: list[str] = []
    path = f"{USERS}?q=user-"
    while path:
        page = console.get(path).text
        seen += re.findall(r">(user-\d{3})</a>", page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert (len(seen), set(seen)) == (120, names)


def test_a_user_is_added_with_a_password_and_signs_in(console: Visitor, setup: Setup, oauth: OAuth):
    console.get(f"{USERS}/add")
    form = {"username": "anna", "email": "anna@example.com", "roles": "editor", "how": "password"}
    answer = console.submit(f"{USERS}/add", {**form, "new_password": "correct horse"})
    assert answer.status_code == 303, answer.text
    assert "Added anna." in console.follow().text
    assert oauth.token(grant_type="password", username="anna", password="correct horse").status_code == 200
    (event,) = setup.events("user.added")
    assert event.actor.startswith("user:")


def test_a_user_is_added_with_a_link_that_is_shown_once_and_sets_the_password(
    console: Visitor, setup: Setup, oauth: OAuth
):
    console.get(f"{USERS}/add")
    page = console.submit(f"{USERS}/add", {"username": "anna", "how": "link", "new_password": ""})
    assert page.status_code == 200
    (link,) = re.findall(r'<code id="link">http://127.0.0.1:8000(/account/password/[\w-]+)</code>', page.text)
    (user,) = setup.sql("SELECT id, password_hash FROM users WHERE username = 'anna'")
    assert user.password_hash is None
    assert link.rsplit("/", 1)[1] not in "".join(
        str(setup.sql(f"SELECT * FROM {t}")) for t in ("audit_events", "users")
    )
    assert console.get(link).status_code == 200


def test_a_form_that_is_refused_says_why_and_keeps_what_was_typed_but_the_password(console: Visitor, setup: Setup):
    setup.a_person(username="anna")
    console.get(f"{USERS}/add")
    for form, said in (
        ({"username": "anna", "how": "password", "new_password": "correct horse"}, "The user name anna is taken"),
        ({"username": "a@b", "how": "password", "new_password": "correct horse"}, "has no @"),
        ({"username": "berta", "how": "password", "new_password": "short-1"}, "8 to 256 characters"),
        ({"username": "berta", "roles": "no/good", "how": "link"}, "role"),
    ):
        page = console.submit(f"{USERS}/add", form)
        assert page.status_code == 422
        assert said in Elements(page.text).words
        assert form["username"] in Elements(page.text).values
        assert form.get("new_password", "correct horse") not in page.text
    assert [row.username for row in setup.sql("SELECT username FROM users WHERE username = 'berta'")] == []


@on_both_databases
def test_a_user_is_changed_and_a_change_of_somebody_else_is_not_lost(console: Visitor, setup: Setup):
    anna = setup.a_person(username="anna")
    edit = f"{USERS}/{anna.id}/edit"
    console.get(edit)
    assert console.submit(edit, {"username": "anna2", "email": "", "roles": "editor"}).status_code == 303
    console.get(edit)
    setup.sql("UPDATE users SET email = 'new@example.com', changed_at = changed_at + 1 WHERE username = 'anna2'")
    page = console.submit(edit, {"username": "anna3", "email": "", "roles": ""})
    assert page.status_code == 412
    assert "e-mail new@example.com" in Elements(page.text).words
    assert console.submit(edit, {"username": "anna3"}).status_code == 303
    assert [row.username for row in setup.sql("SELECT username FROM users WHERE username LIKE 'anna%'")] == ["anna3"]


def test_a_user_is_disabled_enabled_and_removed(console: Visitor, setup: Setup, oauth: OAuth):
    anna = setup.a_person(username="anna")
    assert oauth.sign_in(anna).status_code == 200
    here = f"{USERS}/{anna.id}"
    console.get(here)
    assert console.submit(f"{here}/disable").status_code == 303
    assert "ended 1 session" in console.follow().text
    assert oauth.sign_in(anna).status_code == 400
    assert console.submit(f"{here}/enable").status_code == 303
    assert oauth.sign_in(anna).status_code == 200
    console.get(here)
    assert console.submit(f"{here}/remove").status_code == 303
    assert console.get(here).status_code == 404
    assert [event.actor for event in setup.events("user.removed")] == [setup.events("user.disabled")[0].actor]


def test_the_page_of_a_user_shows_sessions_and_events_and_ends_all_sessions(
    console: Visitor, setup: Setup, oauth: OAuth
):
    anna = setup.a_person(username="anna")
    for device in ("Anna's phone", "Anna's desk"):
        oauth.sign_in(anna, device_name=device)
    here = f"{USERS}/{anna.id}"
    shown = words(console, here)
    assert "Anna's phone" in shown
    assert "A user signed in" in shown
    assert console.submit(f"{here}/end-sessions").status_code == 303
    assert "Ended 2 sessions." in console.follow().text
    assert "No app is signed in" in words(console, here)


@pytest.mark.parametrize("act", ["disable", "enable", "remove", "password-link", "edit", "end-sessions"])
def test_a_dangerous_act_asks_for_the_password(console: Visitor, setup: Setup, act: str):
    anna = setup.a_person(username="anna")
    if act == "enable":
        setup.sql("UPDATE users SET enabled = FALSE WHERE username = 'anna'")
    here = f"{USERS}/{anna.id}"
    console.get(f"{here}/edit" if act == "edit" else here)
    if act == "end-sessions":  # no button without sessions
        token = dict(console.form(f"{here}/remove").fields)["csrf_token"]
        forget_confirmation(setup)
        page = console.post(f"{here}/{act}", {"csrf_token": token})
    else:
        forget_confirmation(setup)
        page = console.submit(f"{here}/{act}")
    assert page.status_code == 403
    assert "needs your password again" in page.text
    done = {"disable": "user.disabled", "enable": "user.enabled", "remove": "user.removed"}.get(act)
    assert done is None or setup.events(done) == []


@on_both_databases
def test_a_dangerous_act_goes_on_with_the_password_and_the_next_does_not_ask(visitor: Visitor, setup: Setup):
    boss, anna = an_administrator(setup), setup.a_person(username="anna")
    here = f"{USERS}/{anna.id}"
    visitor.sign_in(boss)
    visitor.get(here)
    forget_confirmation(setup)
    assert visitor.submit(f"{here}/disable").status_code == 403
    assert "The password is wrong" in visitor.submit(f"{here}/disable", {"confirm_password": "a guess"}).text
    assert setup.events("user.disabled") == []
    assert visitor.submit(f"{here}/disable", {"confirm_password": boss.password}).status_code == 303
    assert len(setup.events("user.disabled")) == 1
    visitor.get(here)
    assert visitor.submit(f"{here}/enable").status_code == 303


def test_without_the_scope_nothing_is_offered_and_nothing_is_done(setup: Setup, visitor: Visitor):
    anna = setup.a_person(username="anna")
    visitor.sign_in(an_administrator(setup, frozenset({"authserver:users:read"})))
    here = f"{USERS}/{anna.id}"
    page = visitor.get(here)
    assert page.status_code == 200
    assert "Dangerous acts" not in page.text
    assert "Lately" not in page.text
    token = dict(visitor.form("/account/sign-out").fields)["csrf_token"]
    for act in ("disable", "remove", "password-link", "edit", "end-sessions"):
        assert visitor.post(f"{here}/{act}", {"csrf_token": token, "username": "x"}).status_code == 403
    assert visitor.get(f"{USERS}/add").status_code == 403
    assert [(row.username, row.enabled) for row in setup.sql("SELECT username, enabled FROM users WHERE id = id")]
    assert setup.events("user.disabled") == setup.events("user.removed") == []


def test_nobody_makes_or_takes_over_an_administrator_beyond_their_own_authority(setup: Setup, visitor: Visitor):
    first = setup.a_person(username="first", roles="administrator")
    partial = frozenset({"authserver:users:read", "authserver:users:write"})
    visitor.sign_in(an_administrator(setup, partial))
    here = f"{USERS}/{first.id}"
    visitor.get(here)
    for act in ("disable", "remove", "password-link"):
        assert visitor.submit(f"{here}/{act}").status_code == 403
        visitor.get(here)
    visitor.get(f"{USERS}/add")
    page = visitor.submit(f"{USERS}/add", {"username": "mine", "roles": "administrator", "how": "link"})
    assert page.status_code == 422
    assert "takes authority that you do not have" in Elements(page.text).words
    visitor.get(f"{USERS}/add")
    assert visitor.submit(f"{USERS}/add", {"username": "plain", "roles": "editor", "how": "link"}).status_code == 200


def test_no_user_but_the_visitor_is_no_empty_list(setup: Setup, console: Visitor):
    assert "Add a user" in words(console, USERS)
    assert setup.settings.pages == PageSettings()
