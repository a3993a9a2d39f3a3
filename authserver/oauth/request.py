"""The strict request: one form body, each parameter once, as UTF-8 (RFC 6749 section 3.2).

Ambiguous input is refused before any rule sees it. Authlib's own parser takes the query string before the body, and the
first of a repeated parameter. With both, one check could see another value than the next check.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from werkzeug.http import parse_options_header

from authserver.clients.model import Client
from authserver.oauth.messages import HttpRequest
from authserver.refusals.exceptions import Refused
from authserver.refusals.reasons import Reason

_FORM_TYPE = "application/x-www-form-urlencoded"
_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 100
#: RFC 8707 section 2 lets a client name several resources.
_REPEATABLE = frozenset({"resource"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form body: single parameters, and the lists of repeatable parameters. Empty values are left out."""

    single: dict[str, str]
    repeated: dict[str, list[str]]


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, form: Form) -> None:
        self._form = form

    @property
    def data(self) -> dict[str, str]:
        return self._form.single

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        lists = {name: [value] for name, value in self._form.single.items()}
        return defaultdict(list, {**lists, **self._form.repeated})


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A strictly read request of a client. Its `uri` begins with the issuer, never with the Host header."""

    client: Client  # set by the authentication
    presented_client_id: str | None = None
    #: Milliseconds since the epoch by this node's clock, taken before any look-up.
    received_at: int

    def __init__(self, request: HttpRequest, issuer: str) -> None:
        # Authlib's constructor is not called: it raises on plain http, which a development issuer may have.
        self.received_at = time.time_ns() // 1_000_000
        self.method = request.method
        self.uri = issuer + request.path
        self.headers = request.fields
        # A comma joins a header that was sent twice. No Basic credential has a comma, so its method refuses it.
        self.authorization = request.fields.get("Authorization")
        self.caller = request.caller
        self._form = _read_form(request)
        self.payload = _Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        return self._form.single

    @property
    def resources(self) -> frozenset[str] | None:
        return frozenset(self._form.repeated.get("resource", ())) or None

    def need(self, name: str) -> str:
        """Return a required parameter.

        Raises:
            Refused: it is missing or empty.
        """
        value = self._form.single.get(name)
        if value is None:
            raise Refused(Reason.MISSING_PARAMETER, parameter=name)
        return value


def _read_form(request: HttpRequest) -> Form:
    if request.query:
        raise Refused(Reason.MALFORMED_REQUEST, detail="parameters in the query string")
    content_type = request.fields.get("Content-Type")
    if content_type != _FORM_TYPE:  # nearly every client sends exactly this, which needs no parser
        _check_form_type(content_type)
    return parse_form(request.read_body())


def _check_form_type(content_type: str | None) -> None:
    media_type, parameters = parse_options_header(content_type)
    if media_type.lower() != _FORM_TYPE:
        raise Refused(Reason.MALFORMED_REQUEST, detail="the Content-Type is not " + _FORM_TYPE)
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Refused(Reason.MALFORMED_REQUEST, detail="the charset is not UTF-8")


def parse_form(body: bytes) -> Form:
    """Decode a form body.

    Raises:
        Refused: broken percent encoding or UTF-8, a NUL, a repeated parameter, or too many parameters.
    """
    if _BROKEN_PERCENT.search(body):
        raise Refused(Reason.MALFORMED_REQUEST, detail="broken percent encoding")
    pairs = [pair for pair in body.split(b"&") if pair]
    if len(pairs) > _MAX_PARAMETERS:
        raise Refused(Reason.MALFORMED_REQUEST, detail="too many parameters")
    single: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name in _REPEATABLE:
            repeated.setdefault(name, []).append(value)
        elif name in single:
            raise Refused(Reason.MALFORMED_REQUEST, detail="a repeated parameter")
        else:
            single[name] = value
    return Form(
        {name: value for name, value in single.items() if value},
        {name: [value for value in values if value] for name, values in repeated.items()},
    )


def _decoded(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Reason.MALFORMED_REQUEST, detail="not UTF-8") from error
    if "\0" in text:
        raise Refused(Reason.MALFORMED_REQUEST, detail="a NUL character")
    return text
