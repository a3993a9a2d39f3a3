"""Workers take connections from one socket in turn, and none is lost between its acceptance and its protocol."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from authserver.serving import accepting
from authserver.serving.accepting import Listener


class Protocol(asyncio.Protocol):
    """What a listener uses of a protocol. `told_to_end` says that its `shutdown` was called."""

    told_to_end = False

    def __init__(self, made: list["Protocol"]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(self)
        self.transport = transport

    def shutdown(self) -> None:
        self.told_to_end = True
        self.transport.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as made:
        yield made


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))  # type: ignore[arg-type]


def listen(listening: socket.socket, made: list[Protocol]) -> Listener:
    return Listener(listening, lambda: Protocol(made))  # type: ignore[arg-type, return-value]


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the turns of the loop are what is tested
        await asyncio.sleep(0)


def test_two_workers_get_the_same_number_of_connections(listening: socket.socket):
    async def story() -> None:
        first: list[Protocol] = []
        second: list[Protocol] = []
        with ExitStack() as clients, listening.dup() as shared:
            for _ in range(20):
                clients.enter_context(socket.create_connection(listening.getsockname()))
            listeners = listen(listening, first), listen(shared, second)
            await until(lambda: len(first) + len(second) == 20)
            assert (len(first), len(second)) == (10, 10)
            for listener in listeners:
                listener.close()

    run(story)


def test_a_connection_that_is_on_its_way_when_the_server_stops_is_told_to_end(listening: socket.socket):
    """Once it was answered, kept open, and the stop waited for its client."""

    async def story() -> None:
        made: list[Protocol] = []
        with socket.create_connection(listening.getsockname()) as client:
            listener = listen(listening, made)
            await until(lambda: listener._connecting)
            listener.close()
            assert made == []
            await until(lambda: made and made[0].told_to_end)
            client.settimeout(60)
            assert await asyncio.to_thread(client.recv, 1) == b""

    run(story)


def test_after_it_is_closed_no_connection_is_taken(listening: socket.socket):
    async def story() -> None:
        made: list[Protocol] = []
        listener = listen(listening, made)
        with socket.create_connection(listening.getsockname()):
            await until(lambda: made)
            listener.close()
            with socket.create_connection(listening.getsockname()):
                await asyncio.sleep(0.1)
                assert len(made) == 1

    run(story)


def test_a_process_without_files_tries_again(listening: socket.socket, monkeypatch: pytest.MonkeyPatch):
    """A loop that asked again at once would use a whole core, and the connections that could end get none of it."""
    monkeypatch.setattr(accepting, "_PAUSE", 0.05)
    tries: list[float] = []

    class Full(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            tries.append(asyncio.get_running_loop().time())
            if len(tries) < 4:
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    async def story() -> None:
        made: list[Protocol] = []
        with Full(fileno=listening.detach()) as full:
            listener = listen(full, made)
            with socket.create_connection(full.getsockname()):
                await until(lambda: made)
            listener.close()
        assert all(later - sooner >= 0.04 for sooner, later in pairwise(tries[:4]))

    run(story)
