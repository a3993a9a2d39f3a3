"""The sockets that a server listens on: several addresses, a name with several, IPv4 beside IPv6."""

from __future__ import annotations

import contextlib
import os
import re
import socket


class CannotListen(Exception):
    """Says in one line which address cannot be used, and why."""


def listen(hosts: str, port: int) -> list[socket.socket]:
    """Listen on every address of `hosts`, which has commas in between; port 0 takes a free one for all of them.

    `::` means all addresses, of IPv4 as well. Each family has a socket: on a common one the address of an IPv4 client
    would be ::ffff:192.0.2.1, which neither `trusted_proxies` nor the audit record knows.

    Raises:
        CannotListen: an address cannot be used; no socket stays open.
    """
    listeners: dict[tuple[object, ...], socket.socket] = {}
    with contextlib.ExitStack() as opened:
        for host in re.split(r"[,\s]+", hosts.strip(", ")):
            try:
                for family, (address, _, *more) in _addresses(host):
                    if (address, *more) not in listeners:
                        listener = opened.enter_context(_open(family, (address, port, *more)))
                        listeners[address, *more] = listener
                        port = listener.getsockname()[1]
            except OSError as problem:
                # Not strerror: the library adds the address to it. A name that is not found has no errno above 0.
                errno = problem.errno or 0
                reason = os.strerror(errno) if errno > 0 else problem.strerror
                raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from problem
        opened.pop_all()
    return list(listeners.values())


def urls_of(listeners: list[socket.socket]) -> str:
    names = (listener.getsockname()[:2] for listener in listeners)
    return ", ".join(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host, port in names)


def _addresses(host: str) -> list[tuple[int, tuple[str, int, *tuple[int, ...]]]]:
    if host == "::":
        return [*_addresses("0.0.0.0"), (socket.AF_INET6, ("::", 0, 0, 0))]  # noqa: S104 - the operator asks for all
    # A name such as localhost may have an address of a family that this machine does not use.
    is_name = ":" not in host and not host[-1:].isdigit()
    flags = socket.AI_PASSIVE | (socket.AI_ADDRCONFIG if is_name else 0)
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _open(family: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.create_server(address, family=family, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Every connection inherits this: the kernel drops one that does not take its answer for so many milliseconds.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return listener
