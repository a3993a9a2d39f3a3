"""Status lists: a revocation arrives, an outage refuses no good token, and a bad list is not used."""

import base64
import json
import threading
import zlib

import pytest


def packed(data):
    return base64.urlsafe_b64encode(zlib.compress(data, 9)).rstrip(b"=").decode()


def test_a_revoked_token_is_refused_when_the_list_has_lived_its_time(issuer, verifier, clock, refused):
    token, other = issuer.token(), issuer.token(status={"status_list": {"idx": 10, "uri": issuer.url + "/status/0"}})
    verifier.verify(token)
    issuer.revoked.add(9)
    clock.advance(8)
    for _ in range(2):
        with refused("revoked"):
            verifier.verify(token)
    assert verifier.verify(other)


@pytest.mark.parametrize("index", [0, 7, 8, 2**20 - 1])
def test_bits_are_read_from_the_least_significant_on(issuer, verifier, refused, index):
    issuer.revoked.add(index)
    for neighbour in {max(index - 1, 0), min(index + 1, 2**20 - 1)} - {index}:
        verifier.verify(issuer.token(status={"status_list": {"idx": neighbour, "uri": issuer.url + "/status/0"}}))
    with refused("revoked"):
        verifier.verify(issuer.token(status={"status_list": {"idx": index, "uri": issuer.url + "/status/0"}}))


def test_an_index_outside_the_list_is_refused(issuer, verifier, refused):
    with refused("claims"):
        verifier.verify(issuer.token(status={"status_list": {"idx": 2**20, "uri": issuer.url + "/status/0"}}))


def test_a_list_of_two_bits_is_read_too(issuer, verifier, refused):
    body = issuer.status_list(status_list={"bits": 2, "lst": packed(bytes([0b00_10_01_00]))})
    issuer.answers["/status/0"] = 200, body.encode()
    status = {"status_list": {"idx": 0, "uri": issuer.url + "/status/0"}}
    assert verifier.verify(issuer.token(status=status))
    for index in (1, 2):
        with refused("revoked"):
            verifier.verify(issuer.token(status={"status_list": {**status["status_list"], "idx": index}}))


def test_freshness_counts_from_the_issue_of_the_list(issuer, verifier, clock):
    issuer.answers["/status/0"] = 200, issuer.status_list(iat=int(clock()) - 5).encode()
    token = issuer.token()
    verifier.verify(token)
    clock.advance(3)
    verifier.verify(token)
    assert issuer.count("/status/0") == 2


def test_an_older_list_from_a_cache_gives_no_revoked_token_back(issuer, verifier, clock, refused):
    token, old = issuer.token(), issuer.status_list()
    clock.advance(4)
    issuer.revoked.add(9)
    with refused("revoked"):
        verifier.verify(token)
    issuer.answers["/status/0"] = 200, old.encode()
    clock.advance(9)
    with refused("revoked"):
        verifier.verify(token)
    assert issuer.count("/status/0") == 2


def test_a_list_in_use_is_refreshed_behind_the_back_of_requests(issuer, verifier, clock):
    token = issuer.token()
    verifier.verify(token)
    issuer.hold = threading.Event()
    clock.advance(6)
    verifier.verify(token)  # a call that waits would hang here: the answer is held
    issuer.hold.set()
    remote = next(iter(verifier._lists._lists.values()))
    for _ in range(6000):
        if remote.loaded_at == clock():
            break
        threading.Event().wait(0.01)
    assert issuer.count("/status/0") == 2
    assert remote.fresh_until == clock() + 8


@pytest.mark.parametrize(
    "spoil",
    [
        lambda issuer: issuer.status_list(sub=issuer.url + "/status/1"),
        lambda issuer: issuer.status_list(header={"typ": "at+jwt"}),
        lambda issuer: issuer.status_list(exp=int(issuer.clock()) - 11),
        lambda issuer: issuer.status_list(iat=int(issuer.clock()) + 11),
        lambda issuer: issuer.status_list(ttl=-1),
        lambda issuer: issuer.status_list(ttl=0),
        lambda issuer: issuer.status_list(status_list={"bits": 3, "lst": packed(bytes(10))}),
        lambda issuer: issuer.status_list(status_list={"bits": 1, "lst": "AAAA"}),
        lambda issuer: issuer.status_list(status_list={"bits": 1, "lst": packed(bytes(10))[:-4]}),
        lambda issuer: issuer.status_list(status_list={"bits": 1, "lst": packed(bytes(2**24))}),
        lambda issuer: issuer.status_list(header={"kid": "nobody"}),
        lambda issuer: issuer.status_list()[:-20] + "A" * 20,
        lambda issuer: "",
        lambda issuer: json.dumps({"bits": 1}),
    ],
)
def test_a_bad_list_is_no_list(issuer, make_verifier, refused, spoil):
    issuer.answers["/status/0"] = 200, spoil(issuer).encode()
    with refused("status_unavailable") as caught:
        make_verifier(status="fail_closed").verify(issuer.token())
    assert caught.value.status == 503
    assert make_verifier().verify(issuer.token())  # fail_open accepts it for `stale_for`
    del issuer.answers["/status/0"]
    assert make_verifier(status="fail_closed").verify(issuer.token())


def test_switched_off_nobody_asks(issuer, make_verifier):
    issuer.revoked.add(9)
    assert make_verifier(status="off").verify(issuer.token())
    assert issuer.count("/status/0") == 0


def test_a_token_without_a_status_is_good(issuer, verifier):
    assert verifier.verify(issuer.token(status=None))


def test_lists_are_bounded_in_number(issuer, verifier, monkeypatch):
    monkeypatch.setattr("authserver_resource.status._MOST_LISTS", 2)
    for number in range(4):
        uri = f"{issuer.url}/status/{number}"
        verifier.verify(issuer.token(status={"status_list": {"idx": 1, "uri": uri}}))
    assert len(verifier._lists._lists) == 2
    assert len(verifier._refresher._remotes) == 3
