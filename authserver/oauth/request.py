"""The strict request: one form body, each parameter once, as UTF-8 (RFC 6749 section 3.2).

Ambiguous input is refused before any rule sees it. Authlib's own parser takes the query string before the body, and the
first of a repeated parameter. With both, one check could see another value than the next check.
"""

from __future__ import annotations

import re
import time
from urllib.parse import unquote_to_bytes

from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from werkzeug.http import parse_options_header

from authserver.clients.model import Client
from authserver.oauth.messages import HttpRequest
from authserver.refusals.exceptions import Refused, named
from authserver.refusals.reasons import Reason
from authserver.sessions import device_name

_FORM_TYPE = "application/x-www-form-urlencoded"
_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 100


class TokenRequest:
    """A strictly read request of a client. `form` has no empty values, and not the `resources`.

    Authlib finds the grant of a request by `method` and `payload`.
    """

    client: Client  # set by the authentication
    presented_client_id: str | None = None

    def __init__(self, request: HttpRequest) -> None:
        #: Milliseconds since the epoch by this node's clock, taken before any look-up.
        self.received_at = time.time_ns() // 1_000_000
        self.method = request.method
        self.headers = request.fields
        # A comma joins a header that was sent twice. No Basic credential has a comma, so its method refuses it.
        self.authorization = request.fields.get("Authorization")
        self.caller = request.caller
        self.form, self.resources = _read_form(request)
        self.payload = BasicOAuth2Payload(self.form)

    def need(self, name: str) -> str:
        """Return a required parameter.

        Raises:
            Refused: it is missing or empty.
        """
        value = self.form.get(name)
        if value is None:
            raise Refused(Reason.MISSING_PARAMETER, about=name)
        return value


def _read_form(request: HttpRequest) -> tuple[dict[str, str], frozenset[str] | None]:
    if request.query:
        raise Refused(Reason.QUERY_STRING)
    content_type = request.fields.get("Content-Type")
    if content_type != _FORM_TYPE:  # nearly every client sends exactly this, which needs no parser
        _check_form_type(content_type)
    return _parse_form(request.read_body())


def _check_form_type(content_type: str | None) -> None:
    media_type, parameters = parse_options_header(content_type)
    if media_type.lower() != _FORM_TYPE:
        raise Refused(Reason.NO_FORM)
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Refused(Reason.FORM_CHARSET)


def _parse_form(body: bytes) -> tuple[dict[str, str], frozenset[str] | None]:
    """Decode a form body into its parameters and the values of `resource`, which may occur again (RFC 8707 section 2).

    Raises:
        Refused: broken percent encoding or UTF-8, a NUL, a repeated parameter, or too many parameters.
    """
    if _BROKEN_PERCENT.search(body):
        raise Refused(Reason.FORM_ENCODING, detail="broken percent encoding")
    pairs = [pair for pair in body.split(b"&") if pair]
    if len(pairs) > _MAX_PARAMETERS:
        raise Refused(Reason.TOO_MANY_PARAMETERS)
    form: dict[str, str] = {}
    resources: set[str] = set()
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name = _decoded(raw_name)
        value = _device_name(raw_value) if name == "device_name" else _decoded(raw_value)
        if name == "resource":
            resources.add(value)
        elif name in form:
            raise Refused(Reason.REPEATED_PARAMETER, about=named([name]))
        else:
            form[name] = value
    return {name: value for name, value in form.items() if value}, frozenset(resources - {""}) or None


def _device_name(raw: bytes) -> str:
    # A label for people, which devices make up themselves: no sign-in fails because of it.
    return device_name.cleaned(_unquoted(raw).decode("utf-8", "replace"))


def _decoded(raw: bytes) -> str:
    try:
        text = _unquoted(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Reason.FORM_ENCODING, detail="not UTF-8") from error
    if "\0" in text:
        raise Refused(Reason.FORM_ENCODING, detail="a NUL character")
    return text


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))
