"""Where a request, a pipeline, a connection ends: each answer is for its request, and can be read (RFC 9112 section 9)."""

import socket
from pathlib import Path

import pytest

from tests.support.wsgi_server import (
    BEFORE_TRAILERS,
    CHUNKED,
    REFRESH,
    Server,
    answer,
    everything,
    refuses_connections,
    request,
    serving,
    wait_for,
)


def test_pipelined_requests_are_answered_in_order(lasting_server: Server) -> None:
    with lasting_server.connect(
        request("POST /token", "1") + request("POST /token", "22") + request("GET /none")
    ) as client:
        data = ""
        while data.count("HTTP/1.1") < 3:
            data += answer(client)
    assert data.index('"size":1') < data.index('"size":2') < data.index(" 404 ")


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (CHUNKED.encode() + b"zz\r\n", 400),
        (BEFORE_TRAILERS + b"x" * 21000, 431),
        (b"GET /" + b"x" * 21000, 431),
        (request("POST /token", "x" * 1001), 413),
    ],
)
def test_a_refusal_follows_the_answers_to_the_requests_in_front(tmp_path: Path, second: bytes, status: int) -> None:
    """Once it took them away. The client must not take it for one of them either."""
    with serving(tmp_path) as server:
        with server.connect(request("GET /slow") + REFRESH + second + REFRESH) as client:
            wait_for(lambda: list(tmp_path.glob("release.*")))
            server.release.touch()
            answers = everything(client)
        assert [line[:3] for line in answers.split("HTTP/1.1 ")[1:]] == ["200", "200", str(status)]
        server.process.terminate()
        assert server.end() == (0, "")


def test_a_long_pipeline_is_answered_to_its_end(lasting_server: Server) -> None:
    sent = request("GET /jwks") + request("POST /token", "x" * 900) + BEFORE_TRAILERS + b"X: x\r\n\r\n"
    last = request("GET /jwks", headers="Connection: close\r\n")
    with lasting_server.connect(sent * 300 + last + sent * 300) as client:
        assert everything(client).count("HTTP/1.1 200 ") == 901


def test_a_pipeline_is_stopped_at_the_request_in_hand(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.connect(request("GET /slow") + REFRESH * 2000) as client:
        wait_for(lambda: list(tmp_path.glob("release.*")))
        server.process.terminate()
        wait_for(lambda: refuses_connections(server))
        server.release.touch()
        answers = everything(client)
        assert answers.endswith("done")
        assert "connection: close" in answers
        assert server.end() == (0, "")


def test_a_pipeline_costs_what_it_weighs(tmp_path: Path) -> None:
    """Once each request in it was parsed at once, and took forty times its size."""
    with serving(tmp_path, "--alone") as server:
        server.ask(REFRESH)
        before = _memory(server)
        for _ in range(4):
            server.connect(request("GET /slow") + b"GET /jwks HTTP/1.1\r\nHost: a\r\n\r\n" * 15_000)
        wait_for(lambda: len(list(tmp_path.glob("release.*"))) == 4)
        server.ask(REFRESH)
        assert _memory(server) - before < 20_000_000


def _memory(server: Server) -> int:
    (worker,) = server.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_a_client_that_has_sent_its_last_byte_gets_all_its_answers(lasting_server: Server) -> None:
    with lasting_server.connect(REFRESH * 3) as client:
        client.shutdown(socket.SHUT_WR)
        assert everything(client).count("HTTP/1.1 200 ") == 3


@pytest.mark.parametrize("head", [CHUNKED, CHUNKED.replace("Transfer-Encoding: chunked", "Content-Length: 9000000")])
def test_a_client_can_send_all_of_a_refused_body_before_it_reads_the_refusal(lasting_server: Server, head: str) -> None:
    """Without that a reset would take the refusal from it (RFC 9112 section 9.6)."""
    with lasting_server.connect(head.encode() + b"5dc\r\n") as client:
        client.sendall(b"x" * 9_000_000)
        assert everything(client).count(" 413 ") == 1


def test_a_client_that_never_stops_sending_is_cut_off_after_its_refusal(lasting_server: Server) -> None:
    endless = CHUNKED.replace("Transfer-Encoding: chunked", "Content-Length: 99000000").encode()
    with lasting_server.connect(endless) as client:
        assert " 413 " in answer(client)
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 60_000_000)


def test_a_client_that_sends_slowly_is_cut_off_after_its_refusal(impatient_server: Server) -> None:
    def is_cut_off(client: socket.socket) -> bool:
        try:
            client.sendall(b"x")
        except ConnectionError:
            return True
        return False

    with impatient_server.connect(request("POST /token", "x" * 1001)) as client:
        assert " 413 " in answer(client)
        wait_for(lambda: is_cut_off(client))
