"""Fields for passwords: hidden, open to paste and password managers, and never cut (ASVS 6.2.6, 6.2.7, 6.2.9)."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from authserver.administration import password_links
from authserver.administration.context import Administration
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.visitor import Visitor

#: More than any password of a manager has, and less than the longest that the server takes.
LONG = "correct horse " * 18


class Fields(HTMLParser):
    """The inputs of a page that take a password, by name or type."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "input" and ("password" in str(values.get("name")) or values.get("type") == "password"):
            self.found.append(values)


def test_every_field_for_a_password_hides_it_and_lets_managers_fill_it(console: Visitor, person: Person, setup: Setup):
    admin = Administration(setup.database, setup.settings, "cli:tester")
    link = urlsplit(password_links.issue(admin, person.username).url).path
    fields = {path: Fields(console.get(path).text).found for path in ("/account/password", "/admin/users/add", link)}
    console.http.cookies.clear()
    fields["/account/sign-in"] = Fields(console.get("/account/sign-in").text).found
    assert {path: len(found) for path, found in fields.items()} == {
        "/account/password": 3,
        "/admin/users/add": 1,
        link: 2,
        "/account/sign-in": 1,
    }
    for field in [field for found in fields.values() for field in found]:
        assert field["type"] == "password"
        assert field["autocomplete"] in ("current-password", "new-password")
        assert int(field.get("maxlength") or 999) >= 64
        assert not [name for name in field if name.startswith("on")]


def test_a_password_of_a_manager_is_taken_whole(visitor: Visitor, oauth: OAuth, person: Person):
    visitor.sign_in(person)
    visitor.get("/account/password")
    form = {"old_password": person.password, "new_password": LONG, "repeated_password": LONG}
    visitor.submit("/account/password", form)
    assert oauth.sign_in(Person(person.id, person.username, LONG)).status_code == 200
    assert oauth.sign_in(Person(person.id, person.username, LONG[:-1])).status_code == 400


def test_a_password_does_not_expire(oauth: OAuth, person: Person, setup: Setup):
    ten_years = 10 * 365 * 86_400_000
    setup.sql("UPDATE users SET created_at = created_at - :ms, changed_at = changed_at - :ms", ms=ten_years)
    assert oauth.sign_in(person).status_code == 200
