"""Client authentication (RFC 6749 section 2.3): one method, the client's own, and the right credential."""

import base64
import time
from typing import Any

import httpx
import pytest

from authserver.clients.secrets import digest, new_secret
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.setup import Setup

OWN = {"grant_type": "client_credentials"}


def basic(credentials: str | bytes) -> dict[str, str]:
    raw = credentials.encode() if isinstance(credentials, str) else credentials
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


def ask(oauth: OAuth, headers: dict[str, str] | None = None, **form: Any) -> httpx.Response:
    """Ask for the client's own token with nothing but this as authentication."""
    return oauth.http.post("/token", data={**OWN, **form}, headers=headers or {})


def in_body(app: App) -> dict[str, str]:
    return {"client_id": app.client_id, "client_secret": app.secret or ""}


def unauthenticated(answer: httpx.Response) -> bool:
    """Whether this is the 401 of RFC 6749 section 5.2, for a client that tried HTTP authentication."""
    return refused_as(answer, "invalid_client", 401) and answer.headers["www-authenticate"].startswith("Basic ")


def test_each_method_works_for_a_client_that_has_it(oauth: OAuth, setup: Setup, person: Person):
    assert ask(oauth, oauth.app.basic).status_code == 200
    assert ask(oauth, **in_body(oauth.app)).status_code == 200
    assert oauth.as_app(setup.an_app(public=True)).sign_in(person).status_code == 200


def test_basic_credentials_are_form_decoded(oauth: OAuth, setup: Setup):
    app = setup.an_app(secret="a+b %:&é=/?#")
    assert ask(oauth, app.basic).status_code == 200
    assert ask(oauth, **in_body(app)).status_code == 200
    assert unauthenticated(ask(oauth, basic(f"{app.client_id}:{app.secret}")))  # not encoded: "+" means a space


def test_the_scheme_has_no_case(oauth: OAuth):
    credentials = oauth.app.basic["Authorization"].removeprefix("Basic ")
    for scheme in ("basic ", "BASIC ", "Basic   "):
        assert ask(oauth, {"Authorization": scheme + credentials}).status_code == 200


def test_a_wrong_secret_by_basic_is_401_with_a_challenge(oauth: OAuth):
    name, secret = oauth.app.client_id, oauth.app.secret or ""
    assert ask(oauth, basic(f"{name}:{secret}")).status_code == 200
    for wrong in ("", "wrong", secret[:-1], secret + " ", secret.swapcase(), " " + secret):
        assert unauthenticated(ask(oauth, basic(f"{name}:{wrong}")))
    assert unauthenticated(ask(oauth, basic(f"nobody:{secret}")))


def test_a_wrong_secret_in_the_body_is_400_without_a_challenge(oauth: OAuth):
    answer = ask(oauth, client_id=oauth.app.client_id, client_secret="wrong")
    assert refused_as(answer, "invalid_client", 400)
    assert "www-authenticate" not in answer.headers


def test_a_request_without_a_client_is_refused(oauth: OAuth):
    assert refused_as(ask(oauth), "invalid_client")
    assert refused_as(ask(oauth, client_secret=oauth.app.secret), "invalid_client")


def test_a_confidential_client_cannot_leave_its_secret_out(oauth: OAuth, person: Person):
    name = oauth.app.client_id
    assert oauth.sign_in(person).status_code == 200
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    for authentication in ({"client_id": name}, {"client_id": name, "client_secret": ""}):
        assert refused_as(oauth.http.post("/token", data={**form, **authentication}), "invalid_client")


def test_two_authentications_at_once_are_a_bad_request(oauth: OAuth, setup: Setup):
    app, other = oauth.app, setup.an_app()
    for form in (in_body(app), {"client_secret": "wrong"}, {"client_id": other.client_id}, in_body(other)):
        assert refused_as(ask(oauth, app.basic, **form), "invalid_request")
    both = ",".join(2 * [app.basic["Authorization"]])  # WSGI joins a header that was sent twice
    assert refused_as(ask(oauth, {"Authorization": both}), "invalid_request")
    for twice in ("Bearer x," + app.basic["Authorization"], app.basic["Authorization"] + ", Bearer x"):
        assert refused_as(ask(oauth, {"Authorization": twice}), "invalid_request")


def test_the_same_client_id_beside_basic_is_tolerated(oauth: OAuth):
    assert ask(oauth, oauth.app.basic, client_id=oauth.app.client_id).status_code == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_method_that_is_not_the_clients_is_refused_with_any_secret(oauth: OAuth, setup: Setup, method: str):
    app = setup.an_app(auth_methods={method})
    by_basic, by_body = ask(oauth, app.basic), ask(oauth, **in_body(app))
    good, bad = (by_basic, by_body) if method == "client_secret_basic" else (by_body, by_basic)
    assert good.status_code == 200
    assert refused_as(bad, "invalid_client", 401 if bad is by_basic else 400)


def test_a_public_client_that_sends_a_secret_is_refused(oauth: OAuth, setup: Setup, person: Person):
    app = setup.an_app(public=True)
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    assert oauth.http.post("/token", data={**form, "client_id": app.client_id}).status_code == 200
    secret = {"client_id": app.client_id, "client_secret": "x"}
    assert refused_as(oauth.http.post("/token", data={**form, **secret}), "invalid_client")
    assert unauthenticated(oauth.http.post("/token", data=form, headers=basic(f"{app.client_id}:x")))


def test_a_public_client_may_name_itself_by_basic_with_an_empty_secret(oauth: OAuth, setup: Setup, person: Person):
    """The default of requests-oauthlib, simple-oauth2 and others, which was refused."""
    app = setup.an_app(public=True)
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    empty = basic(f"{app.client_id}:")
    for more in ({}, {"client_id": app.client_id}, {"client_secret": ""}):
        answer = oauth.http.post("/token", data={**form, **more}, headers=empty)
        assert answer.status_code == 200
        revoke = {"token": answer.json()["refresh_token"], **more}
        assert oauth.http.post("/revoke", data=revoke, headers=empty).status_code == 200
    for other in (oauth.app.client_id, "nobody"):
        refused = oauth.http.post("/token", data={**form, "client_id": other}, headers=empty)
        assert refused_as(refused, "invalid_request")


def test_an_empty_basic_secret_proves_no_confidential_client(oauth: OAuth, setup: Setup):
    by_basic, by_body = (setup.an_app(auth_methods={f"client_secret_{place}"}) for place in ("basic", "post"))
    assert ask(oauth, by_basic.basic).status_code == 200
    answers = [ask(oauth, basic(f"{name}:")) for name in (by_basic.client_id, by_body.client_id, "nobody")]
    assert all(unauthenticated(answer) for answer in answers)
    assert len({answer.json()["error_description"] for answer in answers}) == 1
    # It presents nothing, so the secret of the body is the one authentication.
    assert ask(oauth, basic(f"{by_body.client_id}:"), **in_body(by_body)).status_code == 200
    assert unauthenticated(ask(oauth, basic(f"{by_body.client_id}:"), client_id=by_body.client_id, client_secret="x"))
    assert refused_as(ask(oauth, basic(f"{by_basic.client_id}:"), **in_body(by_body)), "invalid_request")


@pytest.mark.parametrize(
    "header", ["Bearer abc", "Negotiate YII=", "DPoP x", 'Digest u="x", realm="y"', "", "Basically x"]
)
def test_an_authorization_of_another_scheme_is_no_client_authentication(
    oauth: OAuth, setup: Setup, person: Person, header: str
):
    """An app that sent its expired access token with every request could neither refresh nor sign out."""
    stray = {"Authorization": header.encode("latin-1")}
    public, confidential = setup.an_app(public=True), oauth.app
    for app, named in ((public, {"client_id": public.client_id}), (confidential, in_body(confidential))):
        first = oauth.as_app(app).sign_in(person).json()["refresh_token"]
        refresh = {"grant_type": "refresh_token", "refresh_token": first, **named}
        answer = oauth.http.post("/token", data=refresh, headers=stray)
        assert answer.status_code == 200
        revoke = {"token": answer.json()["refresh_token"], **named}
        assert oauth.http.post("/revoke", data=revoke, headers=stray).status_code == 200
    asked = {"token": "x", **in_body(confidential)}
    assert oauth.http.post("/introspect", data=asked, headers=stray).json() == {"active": False}
    assert refused_as(
        oauth.http.post("/introspect", data={**asked, "client_secret": "x"}, headers=stray), "invalid_client", 401
    )
    assert unauthenticated(ask(oauth, {"Authorization": "Bearer abc"}))


def test_broken_authorization_is_refused_even_beside_a_public_client(oauth: OAuth, setup: Setup, person: Person):
    public = oauth.as_app(setup.an_app(public=True))
    assert public.sign_in(person).status_code == 200
    broken = [b"no-colon", b":", b":secret", b"\xff\xfe:\xff", b"%ff:%fe", b"%ZZ:%"]
    for header in [basic(raw)["Authorization"] for raw in broken] + [
        "Basic",
        "Basic !!!!",
        "Basic\t" + base64.b64encode(b"x:y").decode(),
    ]:
        assert unauthenticated(OAuth(public.http, public.app, {"Authorization": header}).sign_in(person))


@on_both_databases
def test_a_client_id_that_no_client_can_have_is_refused(oauth: OAuth):
    for client_id in (b"a\0b", b"a" * 6000, oauth.app.client_id.encode() + b"%00", "zoë".encode(), b"a b", b"a%0D%0Ab"):
        assert unauthenticated(ask(oauth, basic(client_id + b":secret")))


def test_a_disabled_client_is_refused(oauth: OAuth, setup: Setup):
    app = setup.an_app()
    setup.sql("UPDATE clients SET enabled = :no WHERE client_id = :id", no=False, id=app.client_id)
    assert unauthenticated(ask(oauth, app.basic))


def test_a_client_that_was_unknown_a_moment_ago_works_at_once(oauth: OAuth, setup: Setup):
    app = App("new-client", new_secret())
    assert unauthenticated(ask(oauth, app.basic))
    setup.an_app(client_id=app.client_id, secret=app.secret)
    assert ask(oauth, app.basic).status_code == 200


@on_both_databases
def test_a_new_secret_works_at_once_and_the_old_one_until_its_end(oauth: OAuth, setup: Setup):
    old = setup.an_app()
    assert ask(oauth, old.basic).status_code == 200
    new = App(old.client_id, new_secret())
    setup.sql(
        "UPDATE clients SET previous_secret_digest = secret_digest, previous_secret_expires_at = :far,"
        " secret_digest = :new WHERE client_id = :id",
        far=2**50,
        new=digest(new.secret or ""),
        id=old.client_id,
    )
    assert ask(oauth, new.basic).status_code == 200
    assert ask(oauth, old.basic).status_code == 200


@on_both_databases
def test_the_previous_secret_is_refused_after_its_end(oauth: OAuth, setup: Setup):
    app, previous = setup.an_app(), new_secret()
    set_previous = (
        "UPDATE clients SET previous_secret_digest = :digest, previous_secret_expires_at = 1 WHERE client_id = :id"
    )
    setup.sql(set_previous, digest=digest(previous), id=app.client_id)
    assert ask(oauth, app.basic).status_code == 200
    assert unauthenticated(ask(oauth, App(app.client_id, previous).basic))


@on_both_databases
def test_a_client_is_authenticated_without_a_statement(oauth: OAuth, statements: Any):
    assert ask(oauth, oauth.app.basic).status_code == 200
    with statements.counted() as seen:
        assert ask(oauth, oauth.app.basic).status_code == 200
    assert seen == []


def test_refused_clients_are_recorded_at_a_bounded_rate_and_without_what_they_sent(oauth: OAuth, setup: Setup):
    began = time.monotonic()
    for attempt in range(30):
        assert unauthenticated(ask(oauth, basic(f"{oauth.app.client_id}:guess-{attempt}")))
    recorded = setup.events("client.refused")
    assert 10 <= len(recorded) <= 11 + (time.monotonic() - began) < 30
    assert {event.client_id for event in recorded} == {oauth.app.client_id}
    assert not any("guess" in repr(event) for event in recorded)
