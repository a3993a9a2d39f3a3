"""The parsers of the library for APIs, as functions that say whether a parser accepts some bytes."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authserver_resource.errors import VerificationError
from authserver_resource.jose import Header, Key, read_header, read_keys, split
from authserver_resource.reach import Reach
from authserver_resource.status import StatusLists

ISSUER = "https://login.example.com"


@dataclass(frozen=True, slots=True)
class Parser:
    """`samples` are good input, from which changes begin."""

    name: str
    read: Callable[[bytes], bool]
    samples: tuple[bytes, ...]


class _OneKey:
    """An issuer whose signatures are always right, so that changed claims get past the check."""

    url = ISSUER

    def key(self, *_: Any) -> Key:
        return Key("ES256", lambda *_: None, {})


_LISTS = StatusLists(
    _OneKey(),
    Reach(lambda: 1_000_000.0, 1.0),
    policy="fail_closed",
    stale_for=60,
    leeway=5,
    algorithms=frozenset({"ES256"}),
)


def _status_list(body: bytes) -> bool:
    try:
        found = _LISTS._read(f"{ISSUER}/status/0", body)
    except VerificationError:
        return False
    assert len(found.data) <= 1024 * 1024
    for index in (-1, 0, 7, 2**20, 2**70):
        assert found.status(index) in (None, *range(2**found.bits))
    return True


def _segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_HEAD = b'{"alg":"ES256","typ":"statuslist+jwt","kid":"k"}'


def _claims(list_: Mapping[str, object]) -> bytes:
    times = {"iat": 999_999, "exp": 1_000_900, "ttl": 60}
    return json.dumps({"sub": f"{ISSUER}/status/0", **times, "status_list": list_}).encode()


def _packed(data: bytes) -> bytes:
    return _segment(_HEAD) + b"." + _segment(_claims({"bits": 1, "lst": _segment(data).decode()})) + b"." + b"A" * 86


def _key_set(data: bytes) -> bool:
    try:
        return bool(read_keys(json.loads(data), {}))
    except (ValueError, RecursionError):  # as the library takes what is no JSON
        return False


def _jose_header(data: bytes) -> bool:
    try:
        header = read_header(split(_segment(data) + b".e30.AA")[0], "at+jwt", frozenset({"ES256"}))
    except VerificationError:
        return False
    assert isinstance(header, Header)
    assert header.algorithm == "ES256"
    return True


_LIST = zlib.compress(bytes(200))
_EC = {
    "kty": "EC", "crv": "P-256", "kid": "a", "alg": "ES256", "use": "sig",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
}  # fmt: skip
_OKP = {"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

LIBRARY = (
    Parser("status list", _status_list, (_packed(_LIST),)),
    Parser("claims of a status list", lambda data: _status_list(_segment(_HEAD) + b"." + _segment(data) + b".AA"),
           (_claims({"bits": 2, "lst": _segment(_LIST).decode()}),)),
    Parser("bits of a status list", lambda data: _status_list(_packed(data)), (_LIST,)),
    Parser("header of a token", _jose_header, (b'{"alg":"ES256","typ":"at+jwt","kid":"a"}',)),
    Parser("key set", _key_set, (json.dumps({"keys": [_EC, _OKP]}).encode(),)),
)  # fmt: skip
