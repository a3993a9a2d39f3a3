"""An issuer that takes connections and answers nothing: every request ends soon, and recovery is quick."""

import asyncio
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from authserver_resource import VerificationError, Verifier
from authserver_resource.asgi import AccessTokenMiddleware
from authserver_resource.gate import Gate

MANY = 80
TIMEOUT = 0.75
#: For what takes a wait of TIMEOUT once, on a machine with other work. One wait a request would be minutes.
SOON = 12
LIST = "/status/{}"


@pytest.fixture
def real(make_verifier):
    """Return a function that makes a verifier with a real clock and a short time-out."""
    return lambda **changes: make_verifier(clock=time.time, timeout=TIMEOUT, **changes)


@pytest.fixture
def tokens(issuer, clock):
    """Make tokens of as many status lists: no two requests share a list."""
    clock.now = time.time()

    def make(count=MANY):
        return [
            issuer.token(status={"status_list": {"idx": 1, "uri": issuer.url + LIST.format(number)}})
            for number in range(count)
        ]

    return make


def in_starlette(gate):
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def page(_request):
        return PlainTextResponse("seen")

    return AccessTokenMiddleware(Starlette(routes=[Route("/", page)]), gate)


def in_flask(gate):
    from flask import Flask

    from authserver_resource.flask import Api

    app = Flask("api")
    api = Api(gate, app)
    app.route("/")(api.require()(lambda: "seen"))
    return app


async def ask_starlette(app, tokens, beside=None):
    """Return the statuses of parallel requests, how long the slowest took, and the result of `beside`."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as http:

        async def ask(token):
            started = time.monotonic()
            answer = await http.get("/", headers={"Authorization": f"Bearer {token}"})
            return answer.status_code, time.monotonic() - started

        answers = await asyncio.gather(*(ask(token) for token in tokens), *([beside()] if beside else []))
    seen = answers[: len(tokens)]
    return {status for status, _ in seen}, max(seconds for _, seconds in seen), answers[-1]


def ask_flask(app, tokens):
    ready = threading.Barrier(len(tokens))

    def ask(token):
        ready.wait()
        started = time.monotonic()
        answer = app.test_client().get("/", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, time.monotonic() - started

    with ThreadPoolExecutor(len(tokens)) as pool:
        seen = list(pool.map(ask, tokens))
    return {status for status, _ in seen}, max(seconds for _, seconds in seen)


def await_recovery(ask):
    """Return the seconds until all statuses are 200."""
    started = time.monotonic()
    while ask() != {200}:
        assert time.monotonic() - started < SOON
        threading.Event().wait(0.05)
    return time.monotonic() - started


@pytest.mark.parametrize("has_keys", [True, False])
def test_parallel_requests_of_an_event_loop_end_soon_and_leave_its_executor_free(issuer, real, tokens, has_keys):
    verifier = real(status="fail_closed")
    if has_keys:
        verifier.warm_up()
    issuer.hold = threading.Event()
    app, given = in_starlette(Gate(verifier)), tokens()
    executor_threads = set()

    async def beside():
        """Use the loop's default executor while all requests wait."""
        await asyncio.to_thread(issuer.asked.wait, SOON)
        started = time.monotonic()
        executor_threads.update(await asyncio.gather(*(asyncio.to_thread(threading.get_ident) for _ in range(50))))
        return time.monotonic() - started

    async def main():
        first = await ask_starlette(app, given, beside)
        return first, await ask_starlette(app, given), await ask_starlette(app, tokens())

    (statuses, slowest, executor_waited), again, others = asyncio.run(main())
    assert statuses == {503}
    assert TIMEOUT / 2 < slowest < SOON
    assert executor_waited < TIMEOUT / 2
    for statuses, slowest, _ in (again, others):  # the issuer is known to hang: one request tries, the others go
        assert statuses == {503}
        assert slowest < SOON / 3
    assert threading.active_count() < 40
    issuer.hold.set()
    issuer.hold = None
    assert await_recovery(lambda: asyncio.run(ask_starlette(app, given))[0]) < SOON / 2


def test_parallel_requests_of_threads_end_soon(issuer, real, tokens):
    verifier = real(status="fail_closed")
    verifier.warm_up()
    issuer.hold = threading.Event()
    app, given = in_flask(Gate(verifier)), tokens()
    statuses, slowest = ask_flask(app, given)
    assert statuses == {503}
    assert slowest < SOON
    statuses, slowest = ask_flask(app, given)
    assert statuses == {503}
    assert slowest < SOON / 3
    issuer.hold.set()
    issuer.hold = None
    assert await_recovery(lambda: ask_flask(app, given)[0]) < SOON / 2


def test_questions_about_opaque_tokens_end_soon_too(issuer, real, tokens):
    verifier = real(introspection=("the-api", "s cret+"))
    tokens(0)
    verifier.warm_up()
    issuer.hold = threading.Event()
    app, given = in_starlette(Gate(verifier)), [issuer.opaque() for _ in range(MANY)]
    for most in (SOON, SOON / 3):
        statuses, slowest, _ = asyncio.run(ask_starlette(app, given))
        assert statuses == {503}
        assert slowest < most
    assert len(verifier._introspection._flights) <= 1
    issuer.hold.set()
    issuer.hold = None
    assert await_recovery(lambda: asyncio.run(ask_starlette(app, given))[0]) < SOON / 2


@pytest.mark.parametrize("path", ["/status/", "/status/1", "/jwks"])
def test_a_path_that_hangs_is_no_matter_for_the_others(issuer, real, tokens, path):
    """A proxy passes on what it knows, so some answers arrive and others do not."""
    verifier = real(introspection=("the-api", "s cret+"), introspection_seconds=0)
    given = tokens(2)
    if path != "/jwks":
        verifier.warm_up()
    issuer.holds, issuer.hold = path, threading.Event()
    codes = {given[0]: set(), given[1]: set(), issuer.opaque(): set()}
    started = time.monotonic()
    for _ in range(30):
        for token, seen in codes.items():
            try:
                verifier.verify(token)
            except VerificationError as error:
                seen.add(error.code)
    assert time.monotonic() - started < SOON
    # Without a list the default of the library lets a token in.
    of_signed = {"keys_unavailable"} if path == "/jwks" else set()
    assert list(codes.values()) == [of_signed, of_signed, set()]


def test_a_call_that_is_cancelled_takes_the_flight_from_no_other(issuer, verifier):
    token = issuer.token()
    issuer.hold = threading.Event()

    async def main():
        calls = [asyncio.create_task(verifier.verify_async(token)) for _ in range(3)]
        await asyncio.to_thread(issuer.asked.wait, SOON)
        calls[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        issuer.hold.set()
        return await asyncio.gather(*calls[1:])

    assert len(asyncio.run(main())) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of a fork with threads
def test_a_child_process_tries_again_though_a_thread_was_trying_when_it_was_forked(issuer, verifier, clock, refused):
    token = issuer.token()
    issuer.stop()
    for _ in range(2):
        with refused("keys_unavailable"):
            verifier.warm_up()
        clock.advance(3)
    issuer.hold = threading.Event()
    issuer.start()
    with refused("keys_unavailable"):  # the attempt goes on; a call waits for it no longer than a second
        verifier.warm_up()
    assert issuer.asked.is_set()
    child = os.fork()
    if child == 0:
        try:
            started = time.monotonic()
            while time.monotonic() - started < SOON:
                with suppress(VerificationError):
                    verifier.verify(token)
                    os._exit(0)
        finally:
            os._exit(1)
    issuer.hold.set()
    assert os.waitpid(child, 0)[1] == 0


def test_a_resolver_that_hangs_keeps_no_call(monkeypatch):
    asked, ended, before = threading.Event(), threading.Event(), set(threading.enumerate())

    def hang(*_arguments, **_named):
        asked.set()
        ended.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    verifier = Verifier("https://auth.example.com", "https://api.example.com", timeout=0.2)
    for _ in range(5):
        started = time.monotonic()
        with pytest.raises(VerificationError, match=r"https://auth\.example\.com/.*takes longer than") as caught:
            verifier.warm_up()
        assert caught.value.code == "keys_unavailable"
        assert time.monotonic() - started < SOON
    assert asked.is_set()
    ended.set()
    for thread in set(threading.enumerate()) - before:  # what they say at their end belongs to no other test
        thread.join(60)
