"""Opaque tokens are verified by introspection, and the answer is kept for seconds."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

ASK = "/introspect"
CREDENTIALS = ("the-api", "s cret+")


@pytest.fixture
def verifier(make_verifier):
    return make_verifier(introspection=CREDENTIALS)


def test_an_opaque_token_is_verified_by_asking_once(issuer, verifier):
    token = issuer.opaque()
    assert verifier.verify(token, "read").subject == "user-1"
    assert verifier.verify(token, "write").client_id == "app-1"
    assert issuer.count(ASK) == 1


def test_its_revocation_arrives_with_the_next_answer(issuer, verifier, clock, refused):
    token = issuer.opaque()
    verifier.verify(token)
    del issuer.active[token]
    clock.advance(4.9)
    verifier.verify(token)
    clock.advance(0.1)
    for _ in range(2):
        with refused("inactive"):
            verifier.verify(token)
    assert issuer.count(ASK) == 2


@pytest.mark.parametrize(
    ("code", "claims"),
    [
        ("audience", {"aud": "https://other.example.com"}),
        ("issuer", {"iss": "https://evil.example.com"}),
        ("expired", {"exp": 1}),
        ("insufficient_scope", {"scope": "write"}),
        ("sender_constrained", {"cnf": {}}),
    ],
)
def test_what_the_issuer_says_is_checked_like_any_claim(issuer, verifier, refused, code, claims):
    with refused(code):
        verifier.verify(issuer.opaque(**claims), "read")


def test_it_expires_from_memory_too(issuer, verifier, clock, refused):
    token = issuer.opaque(exp=int(clock()) - 8)
    verifier.verify(token)
    clock.advance(2)
    with refused("expired"):
        verifier.verify(token)
    assert issuer.count(ASK) == 1


def test_without_credentials_it_is_refused(issuer, make_verifier, refused):
    with refused("opaque"):
        make_verifier().verify(issuer.opaque())


def test_wrong_credentials_and_an_outage_are_not_the_tokens_fault(issuer, make_verifier, verifier, refused):
    with refused("introspection_unavailable"):
        make_verifier(introspection=("the-api", "wrong")).verify(issuer.opaque())
    issuer.stop()
    with refused("introspection_unavailable") as caught:
        verifier.verify(issuer.opaque())
    assert caught.value.status == 503


@pytest.mark.parametrize("token", ["asat_", "asat_short", "asat_" + "A" * 20_000, "asat_" + "." * 40])
def test_what_cannot_be_one_is_not_asked_about(issuer, verifier, refused, token):
    with refused("malformed"):
        verifier.verify(token)
    assert issuer.count(ASK) == 0


def test_parallel_questions_share_one_request(issuer, verifier):
    token = issuer.opaque()
    ready = threading.Barrier(8)

    def ask(_):
        ready.wait()
        return verifier.verify(token)

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(ask, range(8)))) == 8
    assert issuer.count(ASK) == 1
