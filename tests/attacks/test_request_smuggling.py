"""Bytes that a proxy and the server could frame differently: either refused, or served exactly as framed (RFC 9112)."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.support.http_attacks import BEHIND, KINDS, SERVED, SMUGGLED, Kind
from tests.support.wsgi_server import Server, everything, serving

REFUSALS = {"400", "413", "431", "501"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("smuggling"), "--alone") as server:
        yield server


def statuses(server: Server, data: bytes) -> list[str]:
    """Send all of it, read until the server closes, and return the status of each answer."""
    with server.connect(data) as client:
        client.shutdown(socket.SHUT_WR)
        return [status for status in re.findall(r"HTTP/1\.1 (\d+) ", everything(client)) if status != "100"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_request_with_the_honest_piece_is_answered_with_the_one_behind_it(server: Server, kind: Kind) -> None:
    assert statuses(server, kind.filled(kind.honest) + BEHIND) == ["200", "200"]
    assert [line.split()[1] for line in server.seen()] == ["first", "behind"]


@pytest.mark.parametrize(
    ("kind", "attack"),
    [
        pytest.param(kind, attack, id=f"{kind.name} {number}")
        for kind in KINDS
        for number, attack in enumerate(kind.attacks)
    ],
)
def test_an_attack_is_refused_and_nothing_in_it_or_behind_it_is_served(
    server: Server, kind: Kind, attack: bytes
) -> None:
    answers = statuses(server, kind.filled(attack) + SMUGGLED + BEHIND)
    assert server.seen() == []
    assert len(answers) <= 1
    assert REFUSALS.issuperset(answers)
    assert statuses(server, kind.filled(kind.honest) + BEHIND) == ["200", "200"]
    server.seen()


@pytest.mark.parametrize("name", SERVED)
def test_what_is_not_refused_is_served_as_it_is_framed(server: Server, name: str) -> None:
    data, expected = SERVED[name]
    answers = statuses(server, data + BEHIND)
    assert server.seen() == [*expected, "GET behind 0"]
    assert len(answers) == max(len(expected), 1) + 1


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 11])
def test_it_does_not_matter_where_the_network_cuts_a_request(server: Server, cut: int) -> None:
    for data, expected in SERVED.values():
        with server.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            whole = data + BEHIND
            for at in range(0, len(whole), cut):
                client.sendall(whole[at : at + cut])
            client.shutdown(socket.SHUT_WR)
            everything(client)
        assert server.seen() == [*expected, "GET behind 0"]
