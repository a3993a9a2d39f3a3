"""The token endpoint: its answers to good and bad requests (RFC 6749 sections 4.3 to 5.2)."""

import base64
import json
import re

import pytest

from tests.support.oauth import OAuth, Person, claims, refused_as
from tests.support.setup import API, ISSUER, Setup

DAY = 86_400
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid", "auth_time", "roles", "status")
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 section 5.2


def header(access_token: str) -> dict[str, str]:
    part = access_token.split(".", maxsplit=1)[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_sign_in_answers_with_tokens_lifetimes_and_scope(oauth: OAuth, person: Person):
    answer = oauth.sign_in(person)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = answer.json()
    assert body.pop("access_token").count(".") == 2
    assert body.pop("refresh_token").startswith("asrt_")
    assert body == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "read write",
        "refresh_token_expires_in": 7 * DAY,
    }


def test_an_access_token_has_the_claims_of_rfc_9068(oauth: OAuth, setup: Setup):
    person = setup.a_person(roles="editor boss")
    token = oauth.sign_in(person).json()["access_token"]
    keys = oauth.http.get("/.well-known/jwks.json").json()["keys"]
    assert header(token)["typ"] == "at+jwt"
    assert header(token)["alg"] == "ES256"
    assert header(token)["kid"] in {key["kid"] for key in keys}
    said = claims(token)
    assert said.keys() == set(CLAIMS)
    assert (said["iss"], said["sub"], said["aud"]) == (ISSUER, person.id, API)
    assert (said["client_id"], said["scope"], said["roles"]) == (oauth.app.client_id, "read write", ["boss", "editor"])


def test_expires_in_is_true_to_the_second(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    answers = [signed_in, oauth.refresh(signed_in["refresh_token"]).json(), oauth.own_token().json()]
    for answer in answers:
        said = claims(answer["access_token"])
        assert said["exp"] - said["iat"] == answer["expires_in"] == 900


def test_an_access_token_never_outlives_its_session(oauth: OAuth, setup: Setup, person: Person):
    app = oauth.as_app(setup.an_app(refresh_idle_lifetime=100, refresh_absolute_lifetime=100))
    signed_in = app.sign_in(person).json()
    assert signed_in["expires_in"] in {99, 100}
    assert signed_in["refresh_token_expires_in"] == 100
    setup.back_date(claims(signed_in["access_token"])["sid"], 70)
    refreshed = app.refresh(signed_in["refresh_token"]).json()
    assert refreshed["expires_in"] <= 30
    assert refreshed["refresh_token_expires_in"] <= 30


def test_a_refresh_answers_like_a_sign_in(oauth: OAuth, person: Person):
    signed_in = oauth.sign_in(person).json()
    answer = oauth.refresh(signed_in["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == signed_in.keys()
    before, after = claims(signed_in["access_token"]), claims(answer.json()["access_token"])
    for claim in ("sub", "sid", "aud", "scope", "client_id", "auth_time"):
        assert after[claim] == before[claim]


def test_a_clients_own_token_has_no_session_and_no_refresh_token(oauth: OAuth, setup: Setup):
    answer = oauth.own_token().json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    said = claims(answer["access_token"])
    assert said["sub"] == said["client_id"] == oauth.app.client_id
    assert said.keys().isdisjoint({"sid", "auth_time", "roles"})
    assert setup.sql("SELECT id FROM sessions") == []


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(oauth: OAuth, setup: Setup, person: Person):
    answer = oauth.as_app(setup.an_app(grants={"password"})).sign_in(person).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}


def test_a_user_signs_in_by_name_or_by_email_in_any_case(oauth: OAuth, setup: Setup):
    person = setup.a_person(username="Zoë", email="Zoe@Example.com", password="pässwörd-日本")
    for name in ("Zoë", "ZOË", "zoe@example.COM"):
        answer = oauth.token(grant_type="password", username=name, password=person.password)
        assert claims(answer.json()["access_token"])["sub"] == person.id


def test_a_device_name_is_kept_with_the_session(oauth: OAuth, setup: Setup, person: Person):
    answer = oauth.sign_in(person, device_name="Zoë's phone".ljust(100, "!"))
    assert setup.session(claims(answer.json()["access_token"])["sid"]).device_name.startswith("Zoë's phone!")


@pytest.mark.parametrize("missing", ["password", "refresh_token", "client_credentials"])
def test_a_grant_that_the_client_does_not_have_is_refused(oauth: OAuth, setup: Setup, person: Person, missing: str):
    refresh_token = oauth.sign_in(person).json()["refresh_token"]
    requests = {
        "password": lambda app: app.sign_in(person),
        "refresh_token": lambda app: app.refresh(refresh_token),
        "client_credentials": lambda app: app.own_token(),
    }
    assert requests[missing](oauth).status_code == 200
    other = oauth.as_app(setup.an_app(grants=requests.keys() - {missing}))
    assert refused_as(requests[missing](other), "unauthorized_client")


def test_a_public_client_gets_no_token_of_its_own_under_any_row(oauth: OAuth, setup: Setup):
    public = oauth.as_app(setup.an_app(public=True, grants={"client_credentials"}))
    assert refused_as(public.own_token(), "unauthorized_client")


def test_a_missing_parameter_is_named(oauth: OAuth, person: Person):
    complete = {"grant_type": "password", "username": person.username, "password": person.password}
    assert oauth.token(**complete).status_code == 200
    for name in complete:
        answer = oauth.token(**{key: value for key, value in complete.items() if key != name})
        assert refused_as(answer, "invalid_request")
        assert name in answer.json()["error_description"]
    assert refused_as(oauth.token(grant_type="refresh_token"), "invalid_request")


def test_an_empty_parameter_counts_as_absent(oauth: OAuth, person: Person):
    assert oauth.sign_in(person, scope="", resource="", device_name="").json()["scope"] == "read write"
    for name in ("grant_type", "username", "password"):
        form = {"grant_type": "password", "username": person.username, "password": person.password, name: ""}
        assert refused_as(oauth.token(**form), "invalid_request")


def test_an_unknown_grant_type_is_unsupported(oauth: OAuth):
    assert oauth.own_token().status_code == 200
    for grant_type in ("CLIENT_CREDENTIALS", "client_credentials ", "implicit", "authorization_code", "__init__", "é"):
        assert refused_as(oauth.token(grant_type=grant_type), "unsupported_grant_type")


def test_unknown_parameters_are_ignored(oauth: OAuth, person: Person):
    assert oauth.sign_in(person, audience="x", **{"x[]": "1", "": "nameless"}).status_code == 200


def test_a_wrong_password_is_an_invalid_grant(oauth: OAuth, person: Person, setup: Setup):
    assert oauth.sign_in(person).status_code == 200
    setup.sql("DELETE FROM sessions")
    for password in (person.password + " ", " " + person.password, person.password.swapcase(), person.password[:-1]):
        answer = oauth.token(grant_type="password", username=person.username, password=password)
        assert refused_as(answer, "invalid_grant")
    assert setup.sql("SELECT id FROM sessions") == []


def test_a_long_password_counts_to_its_last_character(oauth: OAuth, setup: Setup):
    person = setup.a_person(password="a1B2" * 64)
    assert oauth.sign_in(person).status_code == 200
    for password in (person.password[:-1], person.password[:72], person.password + "a", person.password * 100):
        answer = oauth.token(grant_type="password", username=person.username, password=password)
        assert refused_as(answer, "invalid_grant")


def test_an_error_has_a_constant_text_of_allowed_characters(oauth: OAuth, person: Person):
    requests = [
        {"grant_type": 'a"\\é<b>'},
        {"grant_type": "client_credentials", "scope": 'a"\\é'},
        {"grant_type": "client_credentials", "resource": 'https://"<script>'},
        {"grant_type": "password", "username": '"\\é', "password": "<b>"},
        {"grant_type": "refresh_token", "refresh_token": '"\\é'},
        {"grant_type": "password", "username": person.username, "password": person.password, "scope": "<b>"},
    ]
    for form in requests:
        answer = oauth.token(**form)
        assert refused_as(answer, answer.json()["error"])
        assert list(answer.json()) == ["error", "error_description", "reference"]
        assert DESCRIPTION.fullmatch(answer.json()["error_description"])
        assert "é" not in answer.text
        assert "<" not in answer.text


def test_only_post_is_allowed(oauth: OAuth):
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        answer = oauth.http.request(method, "/token", headers=oauth.app.basic)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]
        assert answer.headers["cache-control"] == "no-store"


def test_an_unknown_address_is_answered_in_json(oauth: OAuth):
    for path in ("/", "/token/", "/token/x", "/TOKEN", "/token;a=b", "/token%00", "/.git/config", "/%2e%2e/etc/passwd"):
        answer = oauth.http.post(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"] == "invalid_request"
