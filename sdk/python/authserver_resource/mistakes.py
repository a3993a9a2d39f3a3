"""Says what went wrong with a request to the issuer, and what to do about it.

A text holds the status or the kind of the error, and nothing else of what a server sent: it goes into logs.
"""

from __future__ import annotations

import socket
import ssl
from http import HTTPStatus
from http.client import HTTPException, RemoteDisconnected
from urllib.error import HTTPError, URLError

_STATUS = {
    401: "the client id and the secret given as `introspection` are not accepted, or a proxy asks for a password",
    403: "the server, or a proxy in front of it, does not let this API in",
    404: "no such document: the address of the issuer is wrong, often its path, or a proxy does not pass it on",
}


def explain(error: Exception) -> str:
    """Return one line about an error of a request."""
    if isinstance(error, HTTPError):
        return _of_status(error.code, error.headers.get("Location"))
    reason = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    for kind, text in _KINDS:
        if isinstance(reason, kind):
            return f"{text} ({_detail(reason)})"
    return _detail(reason)


def shown(text: object) -> str:
    """Return a text of another party for a line of a log: short, in ASCII, without control characters."""
    return ascii(text)[:200]


def _of_status(status: int, location: str | None) -> str:
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else ""
    text = f"the server answered {status} {phrase}".rstrip()
    if 300 <= status < 400:
        return f"{text}, to {shown(location)}: redirects are not followed, so give the final address"
    return f"{text}: {_STATUS[status]}" if status in _STATUS else text


def _detail(reason: Exception) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message
    if isinstance(reason, ssl.SSLError):
        return f"{type(reason).__name__}: {reason.reason}"
    if isinstance(reason, OSError) and reason.strerror:
        return f"{type(reason).__name__}: {reason.strerror}"
    return type(reason).__name__


# The first kind that fits is taken.
_KINDS: list[tuple[type[Exception], str]] = [
    (ssl.SSLCertVerificationError, "the certificate is not trusted: give Python the authority (SSL_CERT_FILE)"),
    (ssl.SSLError, "no TLS with this server: if it speaks plain http, the address begins with http://"),
    (socket.gaierror, "the name of the host cannot be resolved: it is misspelt, or the DNS fails"),
    (TimeoutError, "no whole answer within the time-out: the server hangs, or a firewall drops what is sent"),
    (ConnectionRefusedError, "nothing listens there: the server is down, or host or port is wrong"),
    (RemoteDisconnected, "the server closed without an answer: if it speaks TLS, the address begins with https://"),
    (ConnectionResetError, "the server broke off: if it speaks TLS, the address begins with https://"),
    (HTTPException, "the answer is not HTTP: if the server speaks TLS, the address begins with https://"),
]
