"""The server behind `authserver serve`: many slow clients, and processes that stop, die or never start."""

import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.missing_parts import missing
from tests.support.wsgi_server import HALF, REFRESH, Server, answer, refuses_connections, request, serving, wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as server:
        yield server


def test_half_sent_bodies_idle_connections_and_busy_threads_stop_no_refresh(server: Server) -> None:
    for _ in range(100):
        server.connect(HALF)
    for _ in range(200):
        assert " 200 " in answer(server.connect(REFRESH))
    slow: list[socket.socket] = []

    def all_are_busy() -> bool:
        slow.append(server.connect(request("GET /slow")))
        return len(list(server.release.parent.glob("release.*"))) == 8

    wait_for(all_are_busy)
    wait_for(lambda: len(select.select(slow, [], [], 0)[0]) == len(slow) - 8)  # the others get "busy"
    for _ in range(20):
        assert " 200 " in server.ask(REFRESH)
    server.release.touch()
    assert sum(" 200 " in answer(client) for client in slow) == 8


def test_more_connections_than_files_keep_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path, "--few-files") as server:
        for _ in range(600):
            server.connect(HALF)
        assert " 200 " in server.ask(REFRESH)


@pytest.mark.slow
def test_clients_that_take_no_answers_keep_nobody_out(tmp_path: Path) -> None:
    """Each has a second request that cannot be answered before the first answer is taken."""
    with serving(tmp_path, "--few-files", "--alone") as server:
        for _ in range(220):
            assert server.connect_and_read_little(request("GET /large") * 3).recv(1) == b"H"
        assert " 200 " in server.ask(REFRESH)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_in_flight_and_exits_with_0(server: Server, number: signal.Signals) -> None:
    slow, half, idle = server.connect(request("GET /slow")), server.connect(HALF), server.connect(REFRESH)
    assert " 200 " in answer(idle)
    wait_for(lambda: list(server.release.parent.glob("release.*")))
    server.process.send_signal(number)
    assert idle.recv(10) == b""
    wait_for(lambda: refuses_connections(server))
    half.sendall(b"x" * 50)
    assert '"size":100' in answer(half)
    server.release.touch()
    assert answer(slow).endswith("done")
    status, errors = server.end()
    assert (status, errors) == (0, "")
    assert not server.metrics.exists()


def test_a_stop_waits_for_a_stuck_request_no_longer_than_the_grace(tmp_path: Path) -> None:
    with serving(tmp_path, "--impatient") as server:
        server.connect(request("GET /slow"))
        wait_for(lambda: list(server.release.parent.glob("release.*")))
        server.process.terminate()
        assert server.end()[0] == 0


def test_a_killed_worker_is_replaced_and_its_counts_stay(server: Server) -> None:
    assert " 200 " in server.ask(REFRESH)
    for _ in range(3):
        before = server.workers()
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(server.workers()) == 2 and before[0] not in server.workers())  # noqa: B023
    assert " 200 " in server.ask(REFRESH)
    assert {"seen_total 2.0", "early_total 2.0"} <= set(server.ask(request("GET /metrics")).splitlines())


def test_workers_end_when_their_parent_is_killed(server: Server) -> None:
    workers = server.workers()
    server.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    assert not server.metrics.exists()


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("--fail", "authserver: cannot start: ValueError: no such database\n"),
        ("--die", "authserver: cannot start: a worker ended while it was starting\n"),
    ],
)
def test_a_failing_start_ends_with_one_line_and_status_1(tmp_path: Path, how: str, line: str) -> None:
    assert Server(tmp_path, how).end() == (1, line)


def test_a_port_in_use_ends_with_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, errors = Server(tmp_path, port=port).end()
    assert (status, errors) == (1, f"authserver: cannot listen on 127.0.0.1 port {port}: Address already in use\n")


@pytest.mark.parametrize(
    ("hosts", "urls"),
    [
        ("::", ["0.0.0.0", "[::]"]),
        ("0.0.0.0,::", ["0.0.0.0", "[::]"]),
        ("127.0.0.1, ::1", ["127.0.0.1", "[::1]"]),
    ],
)
def test_a_server_listens_on_all_its_addresses_and_knows_each_client_by_its_own(
    tmp_path: Path, hosts: str, urls: list[str]
) -> None:
    if not _has_ipv6():
        missing("ipv6", "enable it for the loopback interface")
    with serving(tmp_path, f"--host={hosts}") as server:
        assert server.urls == [f"http://{url}:{server.port}" for url in urls]
        for client in ("127.0.0.1", "::1"):
            assert f'"peer":"{client}"' in answer(server.connect(REFRESH, client))


def test_one_address_of_several_that_cannot_be_used_ends_with_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        ended = Server(tmp_path, "--host=127.0.0.1,127.0.0.2", port=port).end()
    assert ended == (1, f"authserver: cannot listen on 127.0.0.2 port {port}: Address already in use\n")


def test_a_name_stands_for_its_addresses(tmp_path: Path) -> None:
    with serving(tmp_path, "--host=localhost") as server:
        assert f"http://127.0.0.1:{server.port}" in server.urls
        assert " 200 " in server.ask(REFRESH)


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_request_whose_client_has_left_before_it_got_a_thread_is_not_done(tmp_path: Path) -> None:
    with serving(tmp_path, "--alone") as alone:
        for _ in range(8):
            alone.connect(request("GET /wait"))
        wait_for(lambda: len(list(tmp_path.glob("release.*"))) == 8)
        left, listens, stays = (alone.connect(request(f"POST /seen/{name}")) for name in ("left", "listens", "stays"))
        left.close()
        listens.shutdown(socket.SHUT_WR)
        assert "400" in alone.ask(b"malformed\r\n\r\n"), "the server has read both ends before this"
        alone.release.touch()
        assert "seen" not in answer(listens), "it may have left as well, so it was told to come again"
        assert "200 OK" in answer(stays)
        assert alone.seen() == ["POST stays 0"]
