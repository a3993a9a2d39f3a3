"""The caller's address behind proxies: `X-Forwarded-For` counts only as far as trusted proxies wrote it.

Nothing else is taken from forwarded headers: the issuer and all addresses come from the settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """WSGI middleware that replaces REMOTE_ADDR by the last address that is not a trusted proxy's."""

    def __init__(self, app: WSGIApplication, networks: Iterable[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        if forwarded:
            environ["REMOTE_ADDR"] = self.client_address(environ.get("REMOTE_ADDR", ""), forwarded)
        return self._app(environ, start_response)

    def client_address(self, peer: str, forwarded: str) -> str:
        """Walk back from the peer. Each hop wrote the address before it, which counts only if the hop is trusted."""
        address = peer
        with suppress(ValueError):  # a text that is no address ends the walk
            for hop in reversed(forwarded.split(",")):
                parsed = ip_address(address)
                if not any(parsed in network for network in self._networks):
                    break
                address = str(ip_address(hop.strip()))
        return address
