"""A status list is fresh until `iat` + `ttl`, however often, late or out of order it is fetched."""

import asyncio
import threading

import pytest

from authserver_resource import VerificationError
from authserver_resource.errors import FetchError

LIST = "/status/0"


@pytest.fixture
def token(issuer, clock):
    """Return a token of two days."""
    return issuer.token(exp=int(clock()) + 2 * 86400)


@pytest.fixture
def closed(make_verifier):
    return make_verifier(status="fail_closed")


def verify_in_loop(verifier, token):
    return asyncio.run(verifier.verify_async(token))


@pytest.mark.parametrize("verify", [lambda verifier, token: verifier.verify(token), verify_in_loop])
def test_a_cache_that_repeats_a_list_does_not_keep_it_fresh(issuer, closed, token, clock, refused, caplog, verify):
    issuer.answers[LIST] = 200, issuer.status_list().encode()
    for _ in range(18):  # the `ttl` of 8 s and the 10 s of "fail_closed"
        assert verify(closed, token)
        clock.advance(1)
    assert verify(closed, token)
    issuer.revoked.add(9)
    for seconds in [1, 1, 1, 10, 60, 3600, 11 * 3600]:
        clock.advance(seconds)
        with refused("status_unavailable") as caught:
            verify(closed, token)
        assert caught.value.status == 503
    assert isinstance(caught.value.__cause__, FetchError)
    assert f"'{issuer.url}{LIST}': the list was issued 43291 s ago: a cache repeats it" in str(caught.value)
    assert f"a fresh status list cannot be had: '{issuer.url}{LIST}': the list was issued" in caplog.text
    issuer.answers.clear()
    clock.advance(3)
    with refused("revoked"):
        verify(closed, token)


def test_a_repeated_list_is_not_fetched_for_each_request(issuer, closed, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list().encode()
    clock.advance(3600)
    for _ in range(100):
        with refused("status_unavailable"):
            closed.verify(token)
    assert issuer.count(LIST) == 1


def test_a_list_that_was_too_old_is_replaced_at_once_by_the_next(issuer, closed, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list().encode()
    clock.advance(19)
    with refused("status_unavailable"):
        closed.verify(token)
    issuer.answers.clear()
    clock.advance(2.1)
    assert closed.verify(token)


def test_an_older_list_does_not_renew_a_newer_one(issuer, closed, token, clock, refused):
    old = issuer.status_list()
    clock.advance(4)
    closed.verify(token)
    issuer.answers[LIST] = 200, old.encode()
    clock.advance(18)
    assert closed.verify(token)
    clock.advance(0.5)
    with refused("status_unavailable"):
        closed.verify(token)


@pytest.mark.parametrize("answer", [(304, b""), (503, b""), (200, b"no list")])
def test_an_answer_without_a_list_renews_nothing(issuer, closed, token, clock, refused, answer):
    closed.verify(token)
    issuer.answers[LIST] = answer
    clock.advance(18)
    assert closed.verify(token)
    clock.advance(0.5)
    with refused("status_unavailable") as caught:
        closed.verify(token)
    assert issuer.url + LIST in str(caught.value.__cause__)


def test_a_list_of_the_near_future_lasts_no_longer_than_its_ttl(issuer, closed, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list(iat=int(clock()) + 10).encode()
    closed.verify(token)
    clock.advance(28)
    assert closed.verify(token)
    clock.advance(0.5)
    with refused("status_unavailable"):
        closed.verify(token)


def test_a_list_without_a_ttl_lasts_a_minute(issuer, closed, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list(ttl=None).encode()
    closed.verify(token)
    clock.advance(70)
    assert closed.verify(token)
    clock.advance(0.5)
    with refused("status_unavailable"):
        closed.verify(token)


def test_a_list_that_expires_before_its_ttl_ends_is_not_used_on(issuer, closed, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list(ttl=600, exp=int(clock()) + 60).encode()
    closed.verify(token)
    clock.advance(69)
    assert closed.verify(token)
    clock.advance(1)
    with refused("status_unavailable"):
        closed.verify(token)


def test_fail_open_too_counts_its_day_from_the_list(issuer, verifier, token, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list().encode()
    for seconds in [0, 8, 3600, 82_800]:
        clock.advance(seconds)
        assert verifier.verify(token)
    clock.advance(1)
    with refused("status_unavailable"):
        verifier.verify(token)


def test_nodes_whose_clocks_differ_refuse_no_good_token_and_hide_no_revocation(issuer, closed, token, clock, refused):
    lags = [0, 3, 7, 1, 5]

    def list_of(second):
        return issuer.status_list(iat=int(clock()) - lags[second % len(lags)]).encode()

    for second in range(60):
        issuer.answers[LIST] = 200, list_of(second)
        assert closed.verify(token)
        clock.advance(1)
    issuer.revoked.add(9)
    for second in range(18):
        issuer.answers[LIST] = 200, list_of(second)
        clock.advance(1)
    with refused("revoked"):
        closed.verify(token)


def test_after_all_clocks_were_set_back_a_list_of_the_future_hides_no_revocation(issuer, closed, token, clock, refused):
    clock.advance(3600)
    closed.verify(token)
    clock.advance(-3600)
    issuer.revoked.add(9)
    with refused("status_unavailable"):  # until the background has fetched a list of this time
        closed.verify(token)
    for _ in range(6000):
        with pytest.raises(VerificationError) as caught:
            closed.verify(token)
        if caught.value.code == "revoked":
            break
        threading.Event().wait(0.01)
    assert caught.value.code == "revoked"
