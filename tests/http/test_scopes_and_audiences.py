"""Scopes, `resource` and `aud` at a sign-in and for a client's own token (RFC 6749 section 3.3, RFC 8707)."""

from typing import Any

import pytest

from authserver.apis.model import Catalogue
from authserver.clients.fields import Registration
from authserver.clients.registration import problems
from authserver.settings.values import TokenSettings
from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import API, ISSUER, Setup

BILLS = "https://bills.example.com/v1"
OTHER = "https://other.example.com"


@pytest.fixture
def two(oauth: OAuth, setup: Setup) -> OAuth:
    """A client that may use two of three APIs, with a default scope at the first."""
    setup.an_api(BILLS, "bills:read bills:pay", roles={"bills:pay": "payer boss"})
    setup.an_api(OTHER, "other")
    scopes = {"read", "write", "bills:read", "bills:pay"}
    return oauth.as_app(setup.an_app(scopes=scopes, default_scopes=frozenset({"read"})))


def given(answer: Any) -> tuple[str, Any]:
    """The scope and the audience of a good answer, whose token must have the response's scope."""
    body = answer.json()
    said = claims(body["access_token"])
    assert said.get("scope", "") == body["scope"]
    return body["scope"], said["aud"]


def test_without_a_scope_the_clients_default_is_given(two: OAuth, person: Person):
    assert given(two.sign_in(person)) == ("read", API)
    assert given(two.own_token()) == ("read", API)


def test_without_a_default_all_scopes_of_the_client_are_given(oauth: OAuth, person: Person):
    assert given(oauth.sign_in(person)) == ("read write", API)


def test_a_narrower_scope_is_given_exactly(oauth: OAuth, person: Person):
    assert given(oauth.sign_in(person, scope="write")) == ("write", API)
    assert given(oauth.own_token(scope="write")) == ("write", API)
    assert given(oauth.sign_in(person, scope=" write  read write ")) == ("read write", API)


def test_a_scope_that_the_client_may_not_have_is_refused_and_not_dropped(two: OAuth, person: Person):
    assert two.sign_in(person, scope="read write").status_code == 200
    for scope in ("other", "read other", "no-such-scope", "READ", "read no-such-scope"):
        assert refused_as(two.sign_in(person, scope=scope), "invalid_scope")
        assert refused_as(two.own_token(scope=scope), "invalid_scope")


def test_a_scope_outside_the_grammar_is_refused(oauth: OAuth, person: Person):
    for scope in ('read"x', "read\\x", "read\tx", "réad", "read\nwrite", "read\u00a0write"):
        assert refused_as(oauth.sign_in(person, scope=scope), "invalid_scope")


def test_the_audience_is_the_one_api_that_owns_the_scopes(two: OAuth, person: Person):
    assert given(two.sign_in(person, scope="bills:read")) == ("bills:read", BILLS)
    assert given(two.own_token(scope="bills:pay bills:read")) == ("bills:pay bills:read", BILLS)


def test_scopes_of_several_apis_without_a_resource_are_refused_with_what_to_send(two: OAuth, person: Person):
    for answer in (two.sign_in(person, scope="read bills:read"), two.own_token(scope="read bills:read")):
        assert refused_as(answer, "invalid_scope")
        assert "resource" in answer.json()["error_description"]


def test_several_resources_make_an_audience_of_several(two: OAuth, person: Person):
    answer = two.sign_in(person, scope="read bills:read", resource=[API, BILLS])
    assert given(answer) == ("bills:read read", sorted([API, BILLS]))
    assert given(two.own_token(scope="read", resource=[API, API])) == ("read", API)


def test_a_resource_is_the_audience_even_where_it_owns_none_of_the_scopes(two: OAuth, person: Person):
    assert given(two.sign_in(person, scope="read", resource=[API, BILLS])) == ("read", sorted([API, BILLS]))


def test_a_resource_without_a_scope_gives_the_default_scopes_that_it_owns(two: OAuth, person: Person):
    assert given(two.sign_in(person, resource=API)) == ("read", API)
    assert given(two.sign_in(person, resource=BILLS)) == ("", BILLS)


def test_a_scope_of_another_resource_is_refused(two: OAuth, person: Person):
    assert refused_as(two.sign_in(person, scope="read", resource=BILLS), "invalid_scope")
    assert refused_as(two.own_token(scope="read bills:read", resource=API), "invalid_scope")


def test_a_resource_that_is_unknown_or_not_for_the_client_is_an_invalid_target(two: OAuth, person: Person):
    for resource in (OTHER, "https://nobody.example.com", API + "/", API.upper(), API + "#fragment", "x", ISSUER):
        assert refused_as(two.sign_in(person, resource=resource), "invalid_target")
        assert refused_as(two.own_token(resource=[API, resource]), "invalid_target")


def test_without_any_scope_the_audience_is_the_clients_default_api_or_else_the_issuer(
    oauth: OAuth, setup: Setup, person: Person
):
    plain = oauth.as_app(setup.an_app(scopes=set()))
    assert given(plain.sign_in(person)) == ("", ISSUER)
    assert given(plain.own_token()) == ("", ISSUER)
    bound = oauth.as_app(setup.an_app(scopes=set(), default_api=API))
    assert given(bound.sign_in(person)) == ("", API)
    assert given(bound.own_token(resource=API)) == ("", API)


def test_a_scope_with_roles_is_given_to_users_who_have_one_of_them(two: OAuth, setup: Setup, person: Person):
    payer = setup.a_person(roles="payer")
    assert given(two.sign_in(payer, scope="bills:read bills:pay")) == ("bills:pay bills:read", BILLS)
    assert given(two.sign_in(person, scope="bills:read bills:pay")) == ("bills:read", BILLS)


def test_a_user_who_may_have_nothing_of_what_was_asked_for_is_refused(two: OAuth, setup: Setup, person: Person):
    assert given(two.sign_in(setup.a_person(roles="boss"), scope="bills:pay")) == ("bills:pay", BILLS)
    assert refused_as(two.sign_in(person, scope="bills:pay"), "invalid_scope")
    assert refused_as(two.sign_in(setup.a_person(roles="Boss"), scope="bills:pay"), "invalid_scope")


def test_a_default_scope_without_its_role_is_left_out(oauth: OAuth, setup: Setup, person: Person):
    setup.an_api(BILLS, "bills:pay", roles={"bills:pay": "payer"})
    app = oauth.as_app(setup.an_app(scopes={"bills:pay"}))
    assert given(app.sign_in(setup.a_person(roles="payer"))) == ("bills:pay", BILLS)
    assert given(app.sign_in(person)) == ("", ISSUER)


def test_roles_are_not_asked_of_a_client_for_itself(two: OAuth):
    assert given(two.own_token(scope="bills:pay")) == ("bills:pay", BILLS)


def test_a_role_that_decides_between_apis_decides_the_audience(two: OAuth, setup: Setup, person: Person):
    assert given(two.sign_in(person, scope="read bills:pay")) == ("read", API)
    assert refused_as(two.sign_in(setup.a_person(roles="payer"), scope="read bills:pay"), "invalid_scope")


def test_a_scope_or_api_that_is_new_works_at_once(oauth: OAuth, setup: Setup, person: Person):
    assert oauth.sign_in(person).status_code == 200
    setup.an_api(BILLS, "bills:read")
    app = setup.an_app(scopes={"bills:read"})
    assert given(oauth.as_app(app).sign_in(person, scope="bills:read", resource=BILLS)) == ("bills:read", BILLS)


def test_the_scope_of_an_api_that_is_gone_means_nothing(oauth: OAuth, setup: Setup, person: Person):
    app = oauth.as_app(setup.an_app(scopes={"read", "gone"}))
    assert given(app.sign_in(person)) == ("read", API)
    assert refused_as(app.sign_in(person, scope="gone"), "invalid_scope")


def test_a_refused_scope_or_resource_opens_no_session(two: OAuth, setup: Setup, person: Person):
    two.sign_in(person, scope="no-such-scope")
    two.sign_in(person, scope="read bills:read")
    two.sign_in(person, scope="bills:pay")
    two.sign_in(person, resource="https://nobody.example.com")
    assert setup.sql("SELECT id FROM sessions") == []


def test_a_client_id_can_never_equal_a_user_id(oauth: OAuth, setup: Setup, person: Person):
    values = {"name": "An app", "kind": "service", "auth_methods": frozenset({"client_secret_basic"})}
    tokens = TokenSettings()
    grants = frozenset({"client_credentials"})
    assert problems(Registration(client_id="fine", grants=grants, **values), Catalogue({}, {}), tokens) == []
    (problem,) = problems(Registration(client_id=person.id, grants=grants, **values), Catalogue({}, {}), tokens)
    assert problem.field == "client_id"
    assert refused_as(oauth.as_app(App(person.id, "secret")).own_token(), "invalid_client", 401)
