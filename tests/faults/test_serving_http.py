"""The server behind `authserver serve` under HTTP that is too large, too slow, malformed or ambiguous (RFC 9112)."""

import contextlib
import re
import select
import socket
import threading

import pytest

from tests.support.wsgi_server import (
    BEFORE_TRAILERS,
    CHUNKED,
    HALF,
    ONE_BYTE,
    REFRESH,
    Server,
    answer,
    everything,
    request,
    wait_for,
)

EXPECT = b"Expect: 100-continue\r\n\r\n"  # ends a head; "100 Continue" comes when the application reads the body
LONG = b"X: " + b"x" * 15000 + b"\r\n"  # within the bounds, but not twice


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("POST /token", "x" * 1000), 200),
        (request("POST /token", "x" * 1001), 413),
        (request("POST /token", "x" * 500_000), 413),
        (CHUNKED.encode() + b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n", 200),
        (CHUNKED.encode() + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413),
        (request("GET /jwks", headers=f"X: {'x' * 15000}\r\n"), 200),
        (request("GET /jwks", headers=f"X: {'x' * 17000}\r\n"), 431),
        (request("GET /jwks", headers="X: x\r\n" * 4000), 431),
        (b"GET /" + b"x" * 200_000, 431),
        (b"GET /jwks HTTP/1.1\r\nX: " + b"x" * 200_000, 431),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /jwks HTTP/1.1\r\n\r\n", 400),
        (request("GET /jwks", headers="Host: b\r\n"), 400),
        (request("POST /token", "x", "Content-Length: 1\r\n"), 400),
        (request("POST /token", "x", "Transfer-Encoding: chunked\r\n"), 400),
        (request("POST /token", headers="Content-Length : 5\r\n"), 400),
        (request("POST /token", headers="X: a\n b\r\n"), 400),
        (request("POST /token", headers="X: a\x00b\r\n"), 400),
        (request("GET /\xff"), 400),
        (request("GET http://[/"), 400),
        (request("OPTIONS *"), 404),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /token HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED.replace("chunked", "gzip, chunked").encode() + b"0\r\n\r\n", 400),
        (CHUNKED.replace("chunked", "xchunked").encode() + b"0\r\n\r\n", 400),
        (CHUNKED.encode() + b'3;a="\n\r\nabc\r\n0\r\n\r\n', 400),
        (CHUNKED.encode() + b"1;" + b"x" * 15000 + b"\r\nx\r\n0\r\n\r\n", 200),
        (CHUNKED.encode() + b"1;" + b"x" * 21000 + b"\r\nx\r\n0\r\n\r\n", 431),
        (CHUNKED.encode() + (b"1;" + b"x" * 100 + b"\r\nx\r\n") * 300 + b"0\r\n\r\n", 431),
        (CHUNKED.encode() + b"0" * 21000 + b"1\r\nx\r\n0\r\n\r\n", 431),
        (BEFORE_TRAILERS + b"\r\n", 200),
        (BEFORE_TRAILERS + b"X: x\r\n\r\n", 200),
        (BEFORE_TRAILERS + LONG + b"\r\n", 200),
        (CHUNKED.encode()[:-2] + LONG + b"\r\n" + ONE_BYTE + LONG + b"\r\n", 200),
        (BEFORE_TRAILERS + b"X: " + b"x" * 21000 + b"\r\n\r\n", 431),
        (BEFORE_TRAILERS + b"X: x\r\n" * 3500 + b"\r\n", 431),
        (BEFORE_TRAILERS + b"X" * 21000, 431),
        (BEFORE_TRAILERS + b"Content-Length: 1\r\n\r\n", 400),
        (b"GET /jwks HTTP/1.0\r\n\r\n", 200),
        (request("GET /broken"), 500),
    ],
)
def test_what_is_too_large_or_malformed_is_refused_and_the_server_goes_on(
    lasting_server: Server, data: bytes, status: int
) -> None:
    got = lasting_server.ask(data)
    assert got.startswith(f"HTTP/1.1 {status} "), got
    assert "\r\nserver:" not in got.lower()
    if 400 <= status < 500 and status != 404:
        assert "cache-control: no-store" in got
        assert '"error": "invalid_request"' in got
    assert " 200 " in lasting_server.ask(REFRESH)


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (BEFORE_TRAILERS + b"X: ", b"x"),
        (BEFORE_TRAILERS, b"x"),
        (BEFORE_TRAILERS, b"X: x\r\n"),
        (CHUNKED.encode() + b"1;", b"x"),
        (CHUNKED.encode(), b"0"),
        (CHUNKED.encode() + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\nX: ", b"x"),
    ],
)
def test_trailers_and_chunk_extensions_without_end_are_cut_off(
    lasting_server: Server, start: bytes, more: bytes
) -> None:
    """Once 60 MB of one trailer stopped a worker for 10 seconds."""
    client = lasting_server.connect(start)
    with pytest.raises(ConnectionError):
        client.sendall(more * (30_000_000 // len(more)))
    assert " 200 " in lasting_server.ask(REFRESH)


def test_no_trailer_passes_for_a_header(lasting_server: Server) -> None:
    head = CHUNKED.replace("POST /token", "GET /jwks").encode()
    forged = b"X-Forwarded-For: 9.9.9.9\r\n"
    assert '"forwarded":"9.9.9.9"' in lasting_server.ask(head[:-2] + forged + b"\r\n" + ONE_BYTE + b"\r\n")
    assert '"forwarded":null' in lasting_server.ask(head + ONE_BYTE + b"\r\n")
    assert '"forwarded":null' in lasting_server.ask(head + ONE_BYTE + forged + b"\r\n")
    with lasting_server.connect(head[:-2] + EXPECT) as client:
        assert answer(client).startswith("HTTP/1.1 100 ")
        client.sendall(ONE_BYTE + forged + b"\r\n")
        assert '"forwarded":null' in answer(client)


def test_trailers_are_bounded_for_a_request_that_is_being_read_as_well(lasting_server: Server) -> None:
    for trailers, status in ((b"X: x\r\n\r\n", 200), (b"X: " + b"x" * 21000, 431)):
        with lasting_server.connect(CHUNKED.encode()[:-2] + EXPECT) as client:
            assert answer(client).startswith("HTTP/1.1 100 ")
            client.sendall(ONE_BYTE + trailers)
            assert f" {status} " in answer(client)


def test_the_sizes_of_many_small_chunks_cost_no_connection(lasting_server: Server) -> None:
    with lasting_server.connect(CHUNKED.encode() + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n") as client:
        assert '"size":1000' in answer(client)
        client.sendall(REFRESH)
        assert " 200 " in answer(client)


def test_a_connection_serves_on_after_trailers_and_without_them(lasting_server: Server) -> None:
    with lasting_server.connect() as client:
        for trailers in (b"", b"X: x\r\n", LONG, b""):
            client.sendall(BEFORE_TRAILERS + trailers + b"\r\n")
            assert '"size":1' in answer(client)
        client.sendall(request("POST /token", "22"))
        assert '"size":2' in answer(client)


@pytest.mark.parametrize(
    ("body", "status"), [(ONE_BYTE, 200), (b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n", 413)], ids=["good", "large"]
)
def test_a_trailer_that_asks_to_close_the_connection_closes_it(
    lasting_server: Server, body: bytes, status: int
) -> None:
    """Once it stayed open and took no further request, and HAProxy sent the requests of other clients into it."""
    with lasting_server.connect(CHUNKED.encode() + body + b"Connection: close\r\n\r\n") as client:
        assert f" {status} " in answer(client)
        assert client.recv(1) == b""


def test_a_path_may_have_larger_bodies_than_the_others(lasting_server: Server) -> None:
    for path, size, status in (
        ("/large", 100_000, 200), ("/large", 100_001, 413), ("/token", 1000, 200), ("/token", 1001, 413),
        ("/large/", 1001, 413), ("//large", 1001, 400), ("/%2flarge", 1001, 400),
    ):  # fmt: skip
        assert f" {status} " in lasting_server.ask(request(f"POST {path}", "x" * size))


def test_a_flood_of_large_bodies_is_refused_beyond_a_few_and_small_ones_go_on(lasting_server: Server) -> None:
    """Nobody needs a token to send a body: without a bound the flood would fill the memory."""
    whole = request("POST /large", "x" * 50_000)
    part = whole[: len(whole) - 40_000]
    assert '"size":50000' in lasting_server.ask(whole)
    flood = [lasting_server.connect(part) for _ in range(40)]
    wait_for(lambda: sum(map(_has_answer, flood)) >= 32)  # two workers read at most four each
    refused = [client for client in flood if _has_answer(client)]
    for client in refused:
        assert re.match(r"HTTP/1.1 503 .*retry-after: 1\r\n", answer(client), re.DOTALL)
    assert '"size":1000' in lasting_server.ask(request("POST /large", "x" * 1000))
    held = [client for client in flood if client not in refused]
    assert held
    for client in held:
        client.sendall(whole[-40_000:])
        assert '"size":50000' in answer(client)
    assert '"size":50000' in lasting_server.ask(whole)


def _has_answer(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0)[0])


def test_a_client_that_sends_too_slowly_is_let_go(impatient_server: Server) -> None:
    """The client always sends a little more in time."""
    body, head, silent = (impatient_server.connect(sent) for sent in (HALF, HALF[:30], b""))
    ended = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            while not ended.wait(0.1):
                body.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with contextlib.suppress(ConnectionResetError):
        assert " 408 " in answer(body)
    ended.set()
    dripping.join()
    assert " 408 " in answer(head)
    assert answer(silent) == ""


def test_head_has_the_length_and_no_body(lasting_server: Server) -> None:
    with lasting_server.connect(request("HEAD /jwks") + request("GET /jwks")) as client:
        data = ""
        while '{"forwarded"' not in data:
            data += client.recv(65536).decode()
    first, second = re.findall(r"content-length: (\d+)", data)
    assert first == second
    assert data.count("{") == 1


def test_expect_100_continue_is_honoured(lasting_server: Server) -> None:
    whole = request("POST /token", "x", "Expect: 100-continue\r\n")
    with lasting_server.connect(whole[:-1]) as client:
        assert answer(client).startswith("HTTP/1.1 100 ")
        client.sendall(b"x")
        assert " 200 " in answer(client)
    with lasting_server.connect(request("POST /token", "x" * 1001, "Expect: 100-continue\r\n")[:-1001]) as client:
        refused = answer(client)
        assert " 413 " in refused
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"POST /token HTTP/1.0\r\nContent-Length: 1\r\n" + EXPECT + b"x",
        request("POST /token", "x", "Expect: 100-continue\r\n"),
        request("GET /jwks", headers="Expect: 100-continue\r\n"),
    ],
)
def test_no_100_is_sent_to_http_1_0_or_if_the_body_is_here(lasting_server: Server, data: bytes) -> None:
    """HTTP/1.0 takes it for the answer (RFC 9110 section 10.1.1)."""
    assert lasting_server.ask(data).startswith("HTTP/1.1 200 ")


def test_a_refused_head_request_gets_no_body(lasting_server: Server) -> None:
    with lasting_server.connect(request("HEAD /jwks", headers="Host: b\r\n")) as client:
        assert everything(client).endswith("\r\n\r\n")


def test_forwarded_headers_change_nothing_and_underscores_pass_for_no_hyphens(lasting_server: Server) -> None:
    lies = "X-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n"
    assert '"peer":"127.0.0.1"' in lasting_server.ask(request("POST /token", headers=lies))
    assert '"forwarded":null' in lasting_server.ask(request("GET /jwks", headers="X_Forwarded_For: 9.9.9.9\r\n"))


def test_an_offer_of_another_protocol_is_ignored_and_the_body_is_read(lasting_server: Server) -> None:
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
    with lasting_server.connect(request("POST /token", "abc", offer)) as client:
        assert '"size":3' in answer(client)
        client.sendall(request("POST /token", "abcd"))
        assert '"size":4' in answer(client)
    in_two = request("POST /token", "abc", offer)
    with lasting_server.connect(in_two[: in_two.index(b"grade: h2c")]) as client:
        client.sendall(in_two[in_two.index(b"grade: h2c") :])
        assert answer(client).split()[1] in {"200", "400"}
