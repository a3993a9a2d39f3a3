"""Keys and lists during an outage and under load, in threads, event loops and forked processes."""

import asyncio
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from authserver_resource import VerificationError

JWKS = "/jwks"
LIST = "/status/0"
METADATA = "/.well-known/oauth-authorization-server"


def at_once(count, work):
    """Run `work` in `count` threads that start together."""
    ready = threading.Barrier(count)

    def run(_):
        ready.wait()
        return work()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_many_first_requests_cause_one_fetch_of_each_document(issuer, verifier):
    token = issuer.token()
    assert len(at_once(16, lambda: verifier.verify(token))) == 16
    assert sorted(issuer.fetches) == sorted([METADATA, JWKS, LIST])


def test_forged_tokens_with_random_kids_cause_one_fetch_a_cool_down(issuer, verifier, clock, refused):
    verifier.verify(issuer.token())
    assert issuer.count(JWKS) == 1

    def forge():
        for _ in range(10):
            with refused("unknown_key"):
                verifier.verify(issuer.token({"kid": secrets.token_hex(4)}))

    at_once(8, forge)
    assert issuer.count(JWKS) == 2
    clock.advance(29)
    forge()
    assert issuer.count(JWKS) == 2
    clock.advance(1)
    forge()
    assert issuer.count(JWKS) == 3


def test_a_new_key_is_found_at_once(issuer, verifier, new_key):
    verifier.verify(issuer.token())
    key = new_key("second")
    issuer.published.append(key.jwk)
    assert verifier.verify(issuer.token(key=key))


def test_a_new_key_is_found_by_all_who_bring_it_at_once(issuer, verifier, clock, new_key):
    verifier.verify(issuer.token())
    for number in range(5):
        key = new_key(f"new-{number}")
        issuer.published.append(key.jwk)
        clock.advance(30)
        tokens = iter([issuer.token(key=key) for _ in range(16)])
        assert len(at_once(16, lambda: verifier.verify(next(tokens)))) == 16  # noqa: B023 - used in this round
    assert issuer.count(JWKS) == 6


def test_ten_minutes_of_outage_refuse_no_valid_token_and_recover_without_a_herd(issuer, verifier, clock, refused):
    token = issuer.token(exp=int(clock()) + 5000)
    verifier.verify(token)
    issuer.stop()
    for _ in range(600):
        clock.advance(1)
        verifier.verify(token)
        with refused("signature"):
            verifier.verify(token[:-8] + secrets.token_hex(4))
    issuer.revoked.add(9)
    issuer.fetches.clear()
    issuer.start()
    clock.advance(2)

    def use_until_revoked():
        for _ in range(6000):
            try:
                verifier.verify(token)
            except VerificationError as error:
                return error.code
            threading.Event().wait(0.005)
        return "still good"

    assert at_once(8, use_until_revoked) == ["revoked"] * 8
    assert issuer.count(LIST) == 1
    assert issuer.count(JWKS) <= 1


def test_fail_closed_bounds_the_outage(issuer, make_verifier, clock, refused):
    verifier = make_verifier(status="fail_closed", stale_for=20)
    token = issuer.token()
    verifier.verify(token)
    issuer.stop()
    clock.advance(27)
    verifier.verify(token)
    clock.advance(2)
    with refused("status_unavailable"):
        verifier.verify(token)
    issuer.start()
    clock.advance(61)
    assert verifier.verify(token)


def test_fail_open_is_bounded_too(issuer, make_verifier, clock, refused):
    verifier = make_verifier(stale_for=100)
    token = issuer.token()
    verifier.verify(token)
    issuer.stop()
    clock.advance(108)
    verifier.verify(token)
    clock.advance(1)
    with refused("status_unavailable"):
        verifier.verify(token)


def test_a_list_is_not_used_after_its_own_expiry(issuer, verifier, clock, refused):
    issuer.answers[LIST] = 200, issuer.status_list(exp=int(clock()) + 60).encode()
    token = issuer.token()
    verifier.verify(token)
    issuer.stop()
    clock.advance(69)
    verifier.verify(token)
    clock.advance(1)
    with refused("status_unavailable"):
        verifier.verify(token)


def test_after_a_quiet_hour_an_old_failure_does_not_excuse_an_old_list(issuer, verifier, clock, refused):
    token = issuer.token(exp=int(clock()) + 9000)
    verifier.verify(token)
    issuer.stop()
    clock.advance(9)
    verifier.verify(token)
    issuer.start()
    issuer.revoked.add(9)
    clock.advance(3600)
    with refused("revoked"):
        verifier.verify(token)


def test_without_keys_nothing_can_be_told(issuer, verifier, clock, refused):
    token = issuer.token()
    issuer.stop()
    for _ in range(3):
        with refused("keys_unavailable") as caught:
            verifier.verify(token)
        assert caught.value.status == 503
    issuer.start()
    clock.advance(2)
    assert verifier.verify(token)


def test_old_keys_are_used_for_a_bounded_time(issuer, make_verifier, clock, refused):
    verifier = make_verifier(keys_stale_for=600, status="off")
    token = issuer.token(exp=int(clock()) + 9000)
    verifier.verify(token)
    issuer.stop()
    clock.advance(900)
    verifier.verify(token)
    clock.advance(1)
    with refused("keys_unavailable"):
        verifier.verify(token)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (METADATA, (200, b'{"issuer": "https://evil.example.com", "jwks_uri": "https://evil.example.com/jwks"}')),
        (METADATA, (200, b"[]")),
        (METADATA, (302, b"", [("Location", "/elsewhere")])),
        (JWKS, (200, b'{"keys": []}')),
        (JWKS, (200, b'{"keys": 1}')),
        (JWKS, (200, b"\xff")),
        (JWKS, (200, b"[" * 100_000)),
        (JWKS, (200, b" " * (2 * 1024 * 1024 + 1))),
        (JWKS, (302, b"", [("Location", "/elsewhere")])),
        (JWKS, (500, b"")),
    ],
)
def test_a_bad_document_is_refused_and_a_redirect_is_not_followed(issuer, verifier, refused, path, answer):
    issuer.answers[path] = answer
    with refused("keys_unavailable"):
        verifier.verify(issuer.token())
    assert issuer.count("/elsewhere") == 0


def test_metadata_that_speak_for_another_issuer_are_not_used(issuer, verifier, refused):
    issuer.metadata = {"issuer": issuer.url + "/other"}
    with refused("keys_unavailable"):
        verifier.verify(issuer.token())
    assert issuer.count(JWKS) == 0


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "ftp://127.0.0.1/", "jwks", 7, None])
def test_metadata_cannot_send_us_to_a_file(issuer, verifier, refused, uri):
    issuer.metadata = {"jwks_uri": uri}
    with refused("keys_unavailable"):
        verifier.verify(issuer.token())


def test_an_event_loop_is_free_while_a_fetch_is_under_way(issuer, verifier):
    token = issuer.token()
    issuer.hold = threading.Event()

    async def main():
        waiting = asyncio.gather(*(verifier.verify_async(token, "read") for _ in range(4)))
        await asyncio.to_thread(issuer.asked.wait, 60)
        issuer.hold.set()  # a blocked loop would not reach this line
        return await waiting

    assert len(asyncio.run(main())) == 4
    assert issuer.count(JWKS) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of a fork with threads
def test_a_child_process_works_though_a_thread_was_fetching_when_it_was_forked(issuer, verifier, clock):
    token = issuer.token()
    issuer.hold = threading.Event()
    thread = threading.Thread(target=verifier.verify, args=(token,))
    thread.start()
    assert issuer.asked.wait(60)
    with verifier._verified._lock, verifier._issuer._lock:
        child = os.fork()
        if child == 0:
            try:
                issuer.hold.set()
                verifier.verify(token)
                os._exit(0)
            finally:
                os._exit(1)
    issuer.hold.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_while_the_issuer_hangs_a_request_waits_once_and_then_no_more(issuer, make_verifier, clock):
    timeout = 3  # 50 calls without a wait take less on any machine
    verifier = make_verifier(timeout=timeout)
    token = issuer.token()
    verifier.verify(token)
    issuer.hold = threading.Event()
    clock.advance(9)
    started = time.monotonic()
    verifier.verify(token)
    assert timeout <= time.monotonic() - started < 10 * timeout
    started = time.monotonic()
    for _ in range(50):
        clock.advance(1)
        verifier.verify(token)
    assert time.monotonic() - started < timeout


def test_the_background_thread_ends_when_nobody_calls_any_more(issuer, verifier, clock):
    token = issuer.token()
    verifier.verify(token)
    clock.advance(7)
    verifier.verify(token)
    thread = verifier._refresher._thread
    remote = next(iter(verifier._lists._lists.values()))
    while remote.loaded_at < clock():  # the time-out of the test bounds this loop
        thread.join(0.01)
    assert thread.is_alive()
    clock.advance(61)
    verifier._refresher.wake()
    thread.join(60)
    assert not thread.is_alive()
    verifier._refresher.wake()
    assert verifier._refresher._thread is not thread


def test_a_clock_that_is_set_back_makes_no_list_last(issuer, verifier, clock, refused):
    token = issuer.token()
    issuer.answers[LIST] = 200, issuer.status_list().encode()
    clock.advance(300)  # only the API's clock is ahead
    verifier.verify(token)
    clock.advance(-300)
    del issuer.answers[LIST]
    issuer.revoked.add(9)
    with refused("revoked"):
        for _ in range(6000):
            verifier.verify(token)
            threading.Event().wait(0.01)
