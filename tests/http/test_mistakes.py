"""The commonest mistakes get an answer that says what to send, and that names the scope or origin that was refused."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.keys.setup import open_vault
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References, Refusal
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.page import Page
from tests.support.setup import API, ISSUER, Setup
from tests.support.token_answer import reason, token_answer

FORM = "application/x-www-form-urlencoded"
OWN = {"grant_type": "client_credentials"}
REVOKED = "https://revoked.example.com"


@pytest.fixture
def page(setup: Setup, app: Flask) -> Iterator[Page]:
    """A page of a client with cookies."""
    origin = "http://127.0.0.1:8002"
    client = setup.an_app(public=True, token_delivery="cookie", origins=frozenset({origin}), kind="browser")
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with httpx.Client(transport=transport, base_url=ISSUER) as http:
        yield Page(http, client.client_id, origin)


Send = Callable[[OAuth, Page], httpx.Response]


def body(content: str | bytes, content_type: str | None = FORM) -> Send:
    """Send a body to /token with the client's Basic credentials."""

    def send(oauth: OAuth, _page: Page) -> httpx.Response:
        headers = {**oauth.app.basic, **({"Content-Type": content_type} if content_type else {})}
        return oauth.http.post("/token", content=content, headers=headers)

    return send


def with_both_tokens(_oauth: OAuth, page: Page) -> httpx.Response:
    page.cookies[f"authserver-rt-{page.client_id}"] = "one"
    return page.refresh(refresh_token="two")


def with_two_cookies(_oauth: OAuth, page: Page) -> httpx.Response:
    name = f"authserver-rt-{page.client_id}"
    return page.post("/token", {"grant_type": "refresh_token"}, Cookie=f"{name}=one; {name}=two")


#: The mistakes by the reason that they have, with a part of the text that says what to send.
MISTAKES: list[tuple[Reason, Send, str]] = [
    (Reason.NO_FORM, body('{"grant_type": "client_credentials"}', "application/json"), FORM),
    (Reason.NO_FORM, body("grant_type=client_credentials", None), FORM),
    (Reason.NO_FORM, body("grant_type=client_credentials", "text/plain"), FORM),
    (
        Reason.NO_FORM,
        lambda oauth, _: oauth.http.post("/token", files={"grant_type": b"x"}, headers=oauth.app.basic),
        FORM,
    ),
    (Reason.NO_FORM, lambda oauth, _: oauth.http.post("/token", headers=oauth.app.basic), FORM),
    (Reason.FORM_CHARSET, body("grant_type=client_credentials", f"{FORM}; charset=iso-8859-1"), "utf-8"),
    (Reason.FORM_ENCODING, body("grant_type=client_credentials&x=%"), "percent-encoded UTF-8"),
    (Reason.FORM_ENCODING, body(b"grant_type=client_credentials&x=\xff"), "percent-encoded UTF-8"),
    (Reason.FORM_ENCODING, body("grant_type=client_credentials&x=%00"), "NUL"),
    (Reason.QUERY_STRING, lambda oauth, _: oauth.post("/token?grant_type=client_credentials", OWN), "query string"),
    (Reason.REPEATED_PARAMETER, body("scope=read&grant_type=client_credentials&scope=read"), "(scope)"),
    (Reason.TOO_MANY_PARAMETERS, body("&".join(f"x{n}=" for n in range(101))), "too many"),
    (Reason.BODY_TOO_LARGE, body("x=" + "A" * 70_000), "too large"),
    (Reason.MISSING_PARAMETER, body("scope=read"), "(grant_type)"),
    (Reason.MISSING_PARAMETER, lambda oauth, _: oauth.token(grant_type="refresh_token"), "(refresh_token)"),
    (Reason.UNKNOWN_GRANT, lambda oauth, _: oauth.token(grant_type="authorization_code"), "(authorization_code)"),
    (Reason.TWO_AUTHENTICATIONS, lambda oauth, _: oauth.own_token(client_secret="x"), "More than one"),
    (Reason.TWO_TOKENS, with_both_tokens, "body or in the cookie"),
    (Reason.COOKIE_TWICE, with_two_cookies, "clear the cookies"),
    (Reason.SCOPE_SYNTAX, lambda oauth, _: oauth.own_token(scope='"'), "invalid"),
]


@pytest.mark.parametrize(("why", "send", "says"), MISTAKES, ids=[f"{n}-{m[0].name}" for n, m in enumerate(MISTAKES)])
def test_a_mistake_is_answered_with_what_to_send(
    oauth: OAuth, page: Page, setup: Setup, why: Reason, send: Send, says: str
):
    """Most of them were told "The request is malformed." alone."""
    assert oauth.own_token().status_code == 200
    answer = send(oauth, page)
    assert refused_as(answer, why.public.error, 413 if why is Reason.BODY_TOO_LARGE else 400)
    assert reason(setup, answer) is why
    assert says in answer.json()["error_description"]


def test_every_reason_of_a_bad_request_to_the_token_endpoint_is_among_the_mistakes():
    elsewhere = {
        Reason.MALFORMED_REQUEST,  # a body that breaks off: faults/test_serving_http.py
        Reason.BAD_PARAMETER,  # of /sessions: http/test_own_sessions.py
        Reason.SESSION_NOT_OWN,
        Reason.ORIGIN_NOT_ALLOWED,  # below
    }
    bad_requests = {why for why in Reason if why.public.error in ("invalid_request", "unsupported_grant_type")}
    assert bad_requests - elsewhere <= {why for why, _, _ in MISTAKES}
    texts = [why.public.text for why in bad_requests]
    assert len(set(texts)) == len(texts), "each reason has a text of its own"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_told_which_one_to_send(oauth: OAuth, method: str):
    for path, says in (
        ("/token", "takes POST only. Send the parameters in the body."),
        ("/sessions", "takes DELETE or GET only."),
    ):
        if path == "/sessions" and method in ("GET", "DELETE"):
            continue
        answer = oauth.http.request(method, path)
        assert answer.status_code == 405
        assert says in answer.json()["error_description"]


def test_a_wrong_address_is_told_where_the_right_ones_are(oauth: OAuth):
    for path in ("/token/", "/oauth/token", "/Token"):
        answer = oauth.post(path, OWN)
        assert answer.status_code == 404
        assert "none ends in a slash. The metadata document has all addresses." in answer.json()["error_description"]


# --- what was refused is named ---------------------------------------------------------------------------------------


def opened(setup: Setup, answer: httpx.Response) -> Refusal:
    return References(open_vault(setup.settings).reference_key()).open(answer.json()["reference"])


def named(setup: Setup, answer: httpx.Response) -> str | None:
    """What the answer names at its end. The reference names the same."""
    text, bracket, rest = answer.json()["error_description"].partition(". (")
    about = rest.removesuffix(")") if bracket else None
    assert opened(setup, answer).about == about
    assert text
    return about


def test_a_refused_scope_is_named_to_the_caller_and_to_the_administrator(oauth: OAuth, setup: Setup, person: Person):
    setup.an_api("https://other.example.com", "other")
    tokens = token_answer(oauth.sign_in(person, scope="read"))
    assert named(setup, oauth.own_token(scope="read nothing other")) == "nothing other"
    assert named(setup, oauth.sign_in(person, scope="write profile:delete")) == "profile:delete"
    assert named(setup, oauth.refresh(tokens.refresh_token, scope="read write")) == "write"
    assert named(setup, oauth.own_token(resource=[API, REVOKED])) == REVOKED
    assert named(setup, oauth.refresh(tokens.refresh_token, resource=REVOKED)) == REVOKED
    assert oauth.refresh(tokens.refresh_token, scope="read").status_code == 200


@pytest.mark.parametrize(
    "secret", ["asrt_" + "A" * 96, "eyJhbGciOiJFUzI1NiJ9" + "x" * 32, 'a"b', "a\\b", "<b>", "é", "x" * 5000]
)
def test_what_may_be_a_token_or_could_do_harm_in_a_text_is_not_named(oauth: OAuth, setup: Setup, secret: str):
    answer = oauth.own_token(scope=f"nothing {secret}")
    assert refused_as(answer, "invalid_scope")
    assert named(setup, answer) in ("nothing", None)
    assert secret not in answer.text


def test_a_refused_origin_is_named(page: Page, setup: Setup, person: Person):
    assert page.sign_in(person).status_code == 200
    ways: list[tuple[dict[str, Any], str]] = [
        ({"Origin": "https://evil.example"}, "https://evil.example"),
        ({"Origin": "null"}, "null"),
        ({"Origin": None}, "no Origin header"),
        ({"Sec_Fetch_Site": "cross-site"}, f"{page.origin}: Sec-Fetch-Site is not same-site"),
        ({"Origin": '"><script>'}, None),
    ]
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    for headers, about in ways:
        answer = page.post("/token", form, **headers)
        assert refused_as(answer, "invalid_request", 403)
        assert named(setup, answer) == about


def test_what_is_longer_than_a_reference_is_cut_in_it_alone(oauth: OAuth, setup: Setup):
    long = "profile:read.and.write.and.delete.of.all.the.customers.of.every.department"
    answer = oauth.own_token(scope=long)
    assert long in answer.json()["error_description"]
    assert opened(setup, answer).about == long[:62]
