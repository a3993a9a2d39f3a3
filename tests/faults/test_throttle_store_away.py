"""A Redis that is away, slow, full or read-only delays no sign-in and fails none. Each process then counts for itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from authserver.settings.values import ThrottlingSettings
from authserver.throttling.counters import Charges
from authserver.throttling.local import LocalCounters
from authserver.throttling.outside import FallingBack, StoreAway, StoreFailed
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.redis import RedisCounters, open_client
from authserver.throttling.slots import Slot
from tests.support.hasher import until
from tests.support.ports import free_port
from tests.support.redis_server import PASSWORD, RedisServer
from tests.support.tls_proxy import make_certificate

RULES = Rules.of(ThrottlingSettings(place=3, longest_delay=3600))
ATTEMPT, OTHER, THIRD = (Charges(((Kind.PLACE, Slot(number, 0)),), Slot(number, 0)) for number in range(3))

Make = Callable[..., FallingBack]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def falling_back() -> Iterator[Make]:
    with ExitStack() as opened:

        def make(url: str, *, timeout: float = 0.5) -> FallingBack:
            client = opened.enter_context(open_client(url, timeout=timeout))
            return FallingBack(RedisCounters(client, RULES, "test"), LocalCounters(RULES), pause=0.1)

        yield make


def tries(counters: FallingBack, attempt: Charges = ATTEMPT) -> int:
    """How many attempts in a row are taken."""
    return next(number for number in range(1000) if counters.charge(attempt) is not None)


def failed(reason: str) -> float:
    return REGISTRY.get_sample_value("authserver_throttle_store_failures_total", {"reason": reason}) or 0.0


def away() -> float | None:
    return REGISTRY.get_sample_value("authserver_throttle_store_away")


def read_only(server: RedisServer) -> Callable[[], None]:
    server.client.replicaof("127.0.0.1", str(free_port()))
    return lambda: server.client.replicaof("NO", "ONE")


def full(server: RedisServer) -> Callable[[], None]:
    server.client.config_set("maxmemory", "1")
    return lambda: server.client.config_set("maxmemory", "0")


def stopped(server: RedisServer) -> Callable[[], None]:
    server.stop()
    return server.start


def paused(server: RedisServer) -> Callable[[], None]:
    server.pause()
    return server.resume


def another_password(server: RedisServer) -> Callable[[], None]:
    server.client.config_set("requirepass", "another")
    server.client.client_kill_filter(_type="normal", skipme=True)  # who is logged in stays it
    return lambda: server.client.config_set("requirepass", PASSWORD)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (stopped, "unreachable"),
        (paused, "slow"),
        (read_only, "read_only"),
        (full, "full"),
        (another_password, "login"),
    ],
)
def test_a_store_that_fails_leaves_each_process_counting_until_it_is_back(
    falling_back: Make, server: RedisServer, fault: Callable[[RedisServer], Callable[[], None]], reason: str
):
    counters = falling_back(server.url)
    assert tries(counters) == RULES.place.free
    before = failed(reason)
    mend = fault(server)
    with capture_logs() as lines:
        assert tries(counters, OTHER) == RULES.place.free, "the memory of this process has the same rule"
        assert counters.is_away
        assert (failed(reason), away()) == (before + 1, 1)
        if reason not in ("read_only", "full"):
            with pytest.raises(StoreAway, match=f"({reason})"):
                counters.read(OTHER)
        if reason != "full":
            with pytest.raises(StoreAway, match=f"({reason})"):
                counters.lift(OTHER)
        counters.refund(OTHER, clear=True, end=True)
        assert tries(counters, OTHER) == RULES.place.free, "a success is one there too"
        mend()
        until(lambda: not counters.is_away)
    assert away() == 0
    assert [line["event"] for line in lines] == ["throttle_store_failed", "throttle_store_is_back"]
    assert PASSWORD not in str(lines)
    assert tries(counters, THIRD) == RULES.place.free
    assert any(key.endswith(":3:2") for key in server.rows()), "it counts in the store again"


def test_a_paused_store_costs_one_time_out_and_not_one_each(falling_back: Make, server: RedisServer):
    counters = falling_back(server.url, timeout=1.0)
    assert counters.charge(ATTEMPT) is None
    server.pause()
    began = time.monotonic()
    assert counters.charge(ATTEMPT) is None
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(500):
        counters.charge(OTHER)
    rest = time.monotonic() - began
    server.resume()
    assert rest < first, "500 further ones take less than the one that waited"


def test_a_log_of_a_store_that_fails_again_and_again_has_one_line_a_minute(falling_back: Make, server: RedisServer):
    counters = falling_back(server.url)
    with capture_logs() as lines:
        for _ in range(3):
            server.stop()
            counters.charge(ATTEMPT)
            assert counters.is_away
            server.start()
            until(lambda: not counters.is_away)
    assert [line["event"] for line in lines] == ["throttle_store_failed", "throttle_store_is_back"]


def test_a_store_that_was_restarted_between_two_attempts_counts_the_next_one(falling_back: Make, server: RedisServer):
    """Its connections of the pool are dead, and its script is gone."""
    counters = falling_back(server.url)
    assert counters.charge(ATTEMPT) is None
    server.stop()
    server.start()
    assert counters.charge(ATTEMPT) is None
    assert not counters.is_away
    assert len(server.rows()) == 2


def test_a_program_that_speaks_something_else_is_a_store_that_is_away(falling_back: Make):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(1000)

        other = threading.Thread(target=answer)
        other.start()
        counters = falling_back(f"redis://127.0.0.1:{listening.getsockname()[1]}/0")
        assert tries(counters) == RULES.place.free
        other.join()


def test_a_store_with_another_certificate_than_the_named_one_gets_no_password(tmp_path: Path):
    (tmp_path / "other").mkdir()
    right, wrong = make_certificate(tmp_path, "localhost"), make_certificate(tmp_path / "other", "localhost")
    port = str(free_port())
    files = {"tls-cert-file": str(right), "tls-key-file": str(right), "tls-auth-clients": "no", "tls-port": port}
    with RedisServer(**files) as server:
        url = f"rediss://:{PASSWORD}@localhost:{port}/0"
        for without in (url, f"{url}?ssl_ca_certs={wrong}"):
            with (
                open_client(without, timeout=5) as client,
                pytest.raises(StoreFailed, match="certificate verify failed"),
            ):
                RedisCounters(client, RULES, "test").charge(ATTEMPT)
            assert server.rows() == {}
        with open_client(f"{url}?ssl_ca_certs={right}", timeout=5) as client:
            assert RedisCounters(client, RULES, "test").charge(ATTEMPT) is None
        assert len(server.rows()) == 2


def test_a_socket_of_the_machine_and_a_database_with_a_number_are_used(falling_back: Make, server: RedisServer):
    counters = falling_back(f"unix://:{PASSWORD}@{server.socket}?db=3")
    assert counters.charge(ATTEMPT) is None
    assert server.rows() == {}
    assert server.client.info("keyspace")["db3"]["keys"] == 2
