"""An attacker tries on every account the few passwords that many people choose, and what belongs to the account."""

from __future__ import annotations

import pytest

from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents
from tests.support.visitor import Visitor

NAME, ADDRESS = "zoe.kestrel", "z.kestrel@harbour.example"
#: What a guessing tool tries first on this account.
GUESSES = [
    "password", "Password1", "Password1!", "Passw0rd!", "P@ssw0rd123", "12345678", "123456789", "qwerty123", "qwertyuiop",
    "iloveyou", "welcome1", "Welcome2024!", "letmein1", "admin123", "Summer2024", "football", "sunshine1", "trustno1", "1q2w3e4r",
    "zoekestrel", "Zoe.Kestrel1", "kestrel2024!", "K3strel!", "harbour1", "authserver123",
]  # fmt: skip
#: Other spellings of one guess, which a comparison of texts does not see.
DISGUISES = [
    "\uff30assword1", "passw\u00bard", "pass\u00adword1", "\u2060password\u2060", "p a s s w o r d", "PASSWORD\u00b9", "pa\u017f\u017fword1",
    "password\u2024", "\U0001d4f9assword1",
]  # fmt: skip
GOOD = "four quiet lamps"


def choose(visitor: Visitor, person: Person, password: str) -> int:
    visitor.get("/account/password")
    form = {"old_password": person.password, "new_password": password, "repeated_password": password}
    return visitor.submit("/account/password", form).status_code


@pytest.fixture
def person(setup: Setup) -> Person:
    return setup.a_person(username=NAME, email=ADDRESS)


def test_no_guess_opens_an_account_whose_user_would_have_chosen_it(
    visitor: Visitor, oauth: OAuth, person: Person, setup: Setup
):
    visitor.sign_in(person)
    before = contents(setup)["users"]
    assert [guess for guess in GUESSES + DISGUISES if choose(visitor, person, guess) != 422] == []
    assert contents(setup)["users"] == before
    assert choose(visitor, person, GOOD) == 303, "the same form takes another password"
    for guess in GUESSES[:9]:  # further ones would be delayed
        assert refused_as(oauth.sign_in(Person(person.id, NAME, guess)), "invalid_grant"), guess
    assert oauth.sign_in(Person(person.id, NAME, GOOD)).status_code == 200


def test_a_second_field_does_not_bring_a_common_password_past_the_rules(
    visitor: Visitor, oauth: OAuth, person: Person, setup: Setup
):
    visitor.sign_in(person)
    before = contents(setup)["users"]
    visitor.get("/account/password")
    fields = dict(visitor.form("/account/password").fields) | {"old_password": person.password}
    twice = ["password", GOOD]
    assert (
        visitor.post("/account/password", fields | {"new_password": twice, "repeated_password": twice}).status_code
        == 422
    )
    assert contents(setup)["users"] == before
    twice = [GOOD, "password"]
    assert (
        visitor.post("/account/password", fields | {"new_password": twice, "repeated_password": twice}).status_code
        == 303
    )
    assert oauth.sign_in(Person(person.id, NAME, GOOD)).status_code == 200
    assert refused_as(oauth.sign_in(Person(person.id, NAME, "password")), "invalid_grant")
