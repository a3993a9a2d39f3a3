"""No other process gets the port of a test's server, before the server starts and between two starts."""

import socket

import pytest

from tests.support.ports import free_port


def test_a_server_may_listen_on_a_free_port_again_and_again():
    port = free_port()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with (
            socket.create_server(("127.0.0.1", port)) as server,
            socket.create_connection(("127.0.0.1", port)),
            server.accept()[0],
        ):
            pass


@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere a port cannot be kept without listening on it")
def test_a_free_port_is_given_to_nobody_else():
    ours = {free_port() for _ in range(20)}
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(2000):
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                assert other.getsockname()[1] not in ours
            with socket.create_connection(server.getsockname()) as other, server.accept()[0]:
                assert other.getsockname()[1] not in ours
