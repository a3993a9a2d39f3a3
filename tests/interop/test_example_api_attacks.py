"""The example API against tokens that no honest server signs, and against floods and outages of the key set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interop.issuer import Issuer, Key, base64url, encoded
from tests.interop.programs import ExampleApi

AUDIENCE = "http://127.0.0.1:8001"
PATIENCE = 60  # seconds until a test gives up; not a measure of speed


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(AUDIENCE)


@pytest.fixture
def api(issuer: Issuer, tmp_path: Path) -> Iterator[ExampleApi]:
    started = ExampleApi(issuer.url, AUDIENCE, tmp_path / "api.log")
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[Issuer]:
    issuer = Issuer(AUDIENCE)
    with issuer.online():
        yield issuer


@pytest.fixture(scope="module")
def shared_api(shared_issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    started = ExampleApi(shared_issuer.url, AUDIENCE, tmp_path_factory.mktemp("api") / "api.log")
    yield started
    assert started.stop() == 0


def ask(api: ExampleApi, authorization: str) -> httpx.Response:
    return httpx.get(f"{api.url}/profile", headers=[(b"Authorization", authorization.encode("latin-1"))])


def status(api: ExampleApi, token: str) -> int:
    return ask(api, f"Bearer {token}").status_code


BAD: dict[str, Callable[[Issuer], str]] = {
    "no algorithm": Issuer.unsigned,
    "the public key as secret": Issuer.signed_with_the_public_key_as_secret,
    "the public key as secret under our algorithm": lambda i: i.signed_with_the_public_key_as_secret("ES256"),
    "our algorithm has another name": lambda i: i.signed_with_the_public_key_as_secret("RS256"),
    "another key under our key id": lambda i: i.token(key=Key("first")),
    "an unknown key id": lambda i: i.token(key=Key("second")),
    "no key id": lambda i: i.token(header={"kid": None}),
    "an ID token": lambda i: i.token(header={"typ": "JWT"}),
    "no type": lambda i: i.token(header={"typ": None}),
    "a critical header that is not understood": lambda i: i.token(header={"crit": ["x"], "x": 1}),
    "another audience": lambda i: i.token(aud="https://other.example.com"),
    "an audience that ours begins": lambda i: i.token(aud=AUDIENCE + "/"),
    "another issuer": lambda i: i.token(iss="https://evil.example.com"),
    "expired": lambda i: i.token(exp=int(time.time()) - 60),
    "from the future": lambda i: i.token(iat=int(time.time()) + 600),
    "not valid yet": lambda i: i.token(nbf=int(time.time()) + 600),
    "a scope that is not text": lambda i: i.token(scope=["profile:read"]),
    "a user that is not text": lambda i: i.token(sub=7),
    "changed claims": lambda i: ".".join(
        [i.token().split(".")[0], encoded(i.claims(sub="admin")), i.token().split(".")[2]]
    ),
    "no signature": lambda i: i.token().rpartition(".")[0] + ".",
    "one part too many": lambda i: i.token() + ".x",
    "not a token": lambda _: "hello",
    "not even text": lambda _: "\xff.\xfe.\xfd",
    "nothing": lambda _: "",
    "two tokens": lambda i: f"{i.token()}, Bearer {i.token()}",
    "claims that are no object": lambda i: f"{i.token().split('.')[0]}.{base64url(b'[]')}.x",
    "a header of deep brackets": lambda _: f"{base64url(b'[' * 20000)}.e30.x",
    **{
        f"no {claim}": lambda i, claim=claim: i.token(**{claim: None})  # type: ignore[misc]
        for claim in ("iss", "aud", "exp", "iat", "sub", "client_id", "jti")
    },
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_token_is_an_invalid_token(
    shared_issuer: Issuer, shared_api: ExampleApi, make: Callable[[Issuer], str]
) -> None:
    assert status(shared_api, shared_issuer.token()) == 200
    answer = ask(shared_api, f"Bearer {make(shared_issuer)}".rstrip())

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="example-api", error="invalid_token"'
    assert answer.json() == {"error": "invalid_token"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearerx", "", "\xff\xfe"])
def test_who_sends_no_bearer_token_is_given_no_error_code(shared_api: ExampleApi, header: str) -> None:
    answer = ask(shared_api, header)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="example-api"')


@pytest.mark.parametrize(
    "good",
    [{"header": {"typ": "application/at+jwt"}}, {"aud": ["https://other.example.com", AUDIENCE]}],
    ids=["long type", "several audiences"],
)
def test_other_forms_of_a_good_token_are_accepted(
    shared_issuer: Issuer, shared_api: ExampleApi, good: dict[str, Any]
) -> None:
    assert status(shared_api, shared_issuer.token(**good)) == 200


def test_the_scheme_may_be_written_in_any_case(shared_issuer: Issuer, shared_api: ExampleApi) -> None:
    assert ask(shared_api, f"bEARER {shared_issuer.token()}").status_code == 200


def test_a_token_without_scope_is_good_and_not_enough(shared_issuer: Issuer, shared_api: ExampleApi) -> None:
    assert status(shared_api, shared_issuer.token(scope=None)) == 403


def test_words_out_of_a_forged_token_cannot_begin_a_line_of_the_log(
    shared_issuer: Issuer, shared_api: ExampleApi
) -> None:
    status(shared_api, shared_issuer.token(header={"crit": ["x\nINFO invented"], "x\nINFO invented": 1}))
    assert "INFO invented" in shared_api.log.read_text()
    assert "\nINFO invented" not in shared_api.log.read_text()


def test_a_flood_of_invented_key_ids_reaches_the_issuer_once(issuer: Issuer, api: ExampleApi) -> None:
    with issuer.online():
        forged = [issuer.token(key=Key(f"invented-{number}")) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda token: status(api, token), forged)) == {401}
        assert status(api, issuer.token()) == 200
        assert issuer.fetches == 1


def test_good_tokens_cost_the_issuer_one_request_altogether(issuer: Issuer, api: ExampleApi) -> None:
    with issuer.online(), ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: status(api, issuer.token()), range(40))) == {200}
        assert issuer.fetches == 1


def test_an_issuer_that_is_down_at_the_start_is_a_503_until_it_is_up(issuer: Issuer, api: ExampleApi) -> None:
    answer = ask(api, f"Bearer {issuer.token()}")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers

    with issuer.online():
        deadline = time.monotonic() + PATIENCE
        while status(api, issuer.token()) != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_known_keys_outlive_an_outage_of_the_issuer(issuer: Issuer, api: ExampleApi) -> None:
    with issuer.online():
        assert status(api, issuer.token()) == 200
    assert status(api, issuer.token()) == 200
