"""Admission: a burst waits for threads, a queue that is full or stuck refuses at once, and who has left costs nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from authserver.serving import admission as module
from authserver.serving.admission import Admission, Hints
from authserver.serving.presence import Presence
from authserver.serving.wsgi import WSGIBridge
from authserver.settings.values import ServerSettings

HERE = Presence()
PLACES = 2


def run(story: Callable[[Admission], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(Admission(PLACES)), 60))  # type: ignore[arg-type]


async def fill(admission: Admission) -> None:
    for _ in range(PLACES):
        assert await admission.enter(HERE)


async def started(*waiting: Awaitable[bool]) -> list[asyncio.Task[bool]]:
    tasks = [asyncio.ensure_future(each) for each in waiting]
    await asyncio.sleep(0)
    return tasks  # type: ignore[return-value]


def test_a_request_beyond_the_places_gets_the_first_that_becomes_free():
    async def story(admission: Admission) -> None:
        await fill(admission)
        first, second = await started(admission.enter(HERE), admission.enter(HERE))
        assert not first.done()
        admission.leave(progress=True)
        assert await first
        assert not second.done()
        admission.leave(progress=True)
        assert await second

    run(story)


def test_a_full_queue_refuses_at_once():
    async def story(admission: Admission) -> None:
        await fill(admission)
        waiting = await started(*(admission.enter(HERE) for _ in range(module._MOST)))
        (further,) = await started(admission.enter(HERE))
        assert further.done()
        assert not further.result()
        for _ in waiting:
            admission.leave(progress=True)
        assert all(await asyncio.gather(*waiting)), "all that waited were served"

    run(story)


def test_a_queue_that_does_not_move_is_refused_and_so_is_whoever_comes_next():
    async def story(admission: Admission) -> None:
        await fill(admission)
        assert not await admission.enter(HERE), "it waited in vain"
        (next_one,) = await started(admission.enter(HERE))
        assert next_one.done()
        assert not next_one.result()
        admission.leave(progress=False)  # its database gave no answer
        assert await admission.enter(HERE), "a place is free"
        (stuck,) = await started(admission.enter(HERE))
        assert stuck.done()
        admission.leave(progress=True)
        assert await admission.enter(HERE)
        (waits_again,) = await started(admission.enter(HERE))
        assert not waits_again.done()
        admission.leave(progress=True)
        assert await waits_again

    run(story)


def test_a_request_whose_client_has_left_gets_no_place():
    async def story(admission: Admission) -> None:
        await fill(admission)
        gone = Presence(is_gone=lambda: True, may_be_gone=lambda: True)
        left, here = await started(admission.enter(gone), admission.enter(HERE))
        admission.leave(progress=True)
        assert not await left
        assert await here, "the place went to the next"

    run(story)


def test_refusals_that_wait_for_nothing_are_no_sign_of_a_database_that_is_stuck():
    """A refresh got 503 in a storm of sign-ins: for half a second the worker had told all others that its queue is full."""
    refused: list[None] = []
    hints = Hints(kept_free=1, at_hand=lambda _: False, on_refused=lambda: refused.append(None))

    def application(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        time.sleep(0.02)
        start("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]

    bridge = WSGIBridge(application, threads=4, on_start=lambda: None, hints=hints)
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "raw_path": b"/token",
        "path": "/token", "query_string": b"", "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip

    async def story() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_event: Any) -> None:
            pass

        await asyncio.gather(*(bridge(scope, receive, send) for _ in range(200)))
        assert bridge._admission.ticks > module._STUCK, "it took long enough to count as stuck"

    asyncio.run(asyncio.wait_for(story(), 60))
    assert refused == []


@pytest.mark.parametrize(("threads", "places"), [(4, 3), (8, 6), (16, 12), (64, 60)])
def test_no_more_than_a_quarter_of_the_threads_is_kept_free(threads: int, places: int):
    """Once `serve --threads 4` would have kept all of them free, and answered no request."""
    hints = Hints(ServerSettings(threads=64).kept_free, at_hand=lambda _: False, on_refused=lambda: None)
    bridge = WSGIBridge(lambda _environ, _start: [], threads=threads, on_start=lambda: None, hints=hints)
    assert bridge._admission._places == places
