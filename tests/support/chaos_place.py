"""A PostgreSQL on a small disk, a Redis and nodes, each with a clock of its own, and with forwarders between all of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.support import postgres_programs as programs
from tests.support.forwarder import Forwarder
from tests.support.memory import in_memory
from tests.support.missing_parts import missing
from tests.support.postgres import HOW, Cluster
from tests.support.redis_server import RedisServer
from tests.support.server import LiveServer
from tests.support.setup import Setup, make_setup
from tests.support.stepped_clock import SteppedClock

#: A file system for one cluster, with room for a few thousand sessions.
DISK = "160m"
WORKERS = 2


@dataclass
class Node:
    """A node, and what lies between it and its clients and its database."""

    server: LiveServer
    front: Forwarder
    back: Forwarder


@dataclass
class Place:
    """A PostgreSQL on a small disk of its own, with a clock of its own, nodes, and the Redis in which they count failures.

    `random` says what a fault hits. Without the right to mount a file system there is no small disk.

    The last node has a clock of its own too. libfaketime makes a request of it six times as expensive.
    """

    random: Random
    cluster: Cluster
    clock: SteppedClock
    node_clock: SteppedClock
    setup: Setup
    nodes: list[Node]
    redis: RedisServer
    has_small_disk: bool

    @property
    def logs(self) -> str:
        return "".join(node.server.log.read_text() for node in self.nodes)


@contextmanager
def a_place(directory: Path, random: Random, nodes: int) -> Iterator[Place]:
    with ExitStack() as stack:
        clock, node_clock = _a_clock(stack), _a_clock(stack)
        disk = DISK if programs.can_mount() else None
        try:
            cluster = Cluster(programs.newest(), place=in_memory(), disk=disk, environment=clock.environment)
        except programs.Unavailable as reason:
            missing("postgresql", f"{reason}; {HOW}")
        stack.callback(cluster.remove)
        cluster.set("wal_recycle", "off")  # each segment of the log needs new room
        setup = make_setup("postgresql", directory, postgres=cluster)
        stack.callback(setup.database.dispose)
        setup.an_api()
        redis = stack.enter_context(RedisServer())
        made: list[Node] = []
        for number in range(nodes):
            issuer = {"AUTHSERVER_ISSUER": made[0].server.url} if made else {}
            variables = {
                **issuer,
                "AUTHSERVER_THROTTLING__STORE": redis.url,
                **(node_clock.environment if number == nodes - 1 else {}),
            }
            made.append(_a_node(stack, setup, cluster, variables))
        made[0].server.start()  # makes the keys
        with ThreadPoolExecutor() as pool:
            list(pool.map(LiveServer.start, [node.server for node in made[1:]]))
        yield Place(random, cluster, clock, node_clock, setup, made, redis, has_small_disk=disk is not None)


def _a_node(stack: ExitStack, setup: Setup, cluster: Cluster, variables: dict[str, Any]) -> Node:
    assert setup.settings.database.url is not None
    url = setup.settings.database.url.get_secret_value()
    back = stack.enter_context(Forwarder(cluster.port))
    behind = url.replace(f":{cluster.port}/", f":{back.port}/")
    server = LiveServer(setup, workers=WORKERS, AUTHSERVER_DATABASE__URL=behind, **variables)
    stack.callback(server.stop)
    return Node(server, stack.enter_context(Forwarder(server.port)), back)


def _a_clock(stack: ExitStack) -> SteppedClock:
    clock = SteppedClock()
    stack.callback(clock.remove)
    return clock
