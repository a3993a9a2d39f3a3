"""Keeps the secrets of a run, and searches bytes for them in every form that a program may write them in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

#: Shorter values turn up by chance, and no secret is that short.
SHORTEST = 8


class KnownSecrets:
    """Keeps every secret that the run sends or receives, under a name for the report."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}

    def keep(self, name: str, secret: str | bytes) -> None:
        self.secrets[f"{name} {len(self.secrets)}"] = secret.encode() if isinstance(secret, str) else secret

    def keep_tokens(self, answer: Any) -> dict[str, Any]:
        """Keep the tokens of an answer: whole, and the parts that are enough for a thief."""
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        self.keep("access token", tokens["access_token"])
        self.keep("signature of an access token", base64.urlsafe_b64decode(tokens["access_token"].split(".")[2] + "=="))
        if "refresh_token" in tokens:
            self.keep_refresh_token(tokens["refresh_token"])
        return tokens

    def keep_refresh_token(self, token: str) -> None:
        raw = base64.urlsafe_b64decode(token.removeprefix("asrt_"))
        self.keep("refresh token", token)
        self.keep("secret of a refresh token", raw[24:56])
        self.keep("tag of a refresh token", raw[56:])


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of every form: plain, hex, base64 at each alignment, URL-encoded, escaped in JSON."""
    assert len(secret) >= SHORTEST, secret
    yield "plain", secret
    yield "hex", secret.hex().encode()
    yield "HEX", secret.hex().upper().encode()
    for offset in range(3):
        for name, altchars in (("base64", b"+/"), ("base64url", b"-_")):
            yield f"{name} at {offset}", _inside_base64(secret, offset, altchars)
    for name, encode in (("url", quote), ("form", quote_plus)):
        text = encode(secret, safe="")
        yield name, text.encode()
        yield f"{name} in lower case", _lower_escapes(text).encode()
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield "json", json.dumps(text)[1:-1].encode()
    yield "repr", repr(text)[1:-1].encode()
    yield "utf-16", text.encode("utf-16-le")


def traces(written: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> list[str]:
    """A line for each secret that was found: its name, place and form, and the bytes before it."""
    return [
        f"{what} in {where}, as {form}, after {_before(data, looked_for)!r}"
        for what, secret in secrets.items()
        for form, looked_for in dict(forms(secret)).items()
        for where, data in written.items()
        if looked_for in data
    ]


def _before(data: bytes, looked_for: bytes) -> str:
    found = data.index(looked_for)
    return data[max(0, found - 100) : found].decode(errors="replace")


def _inside_base64(secret: bytes, offset: int, altchars: bytes) -> bytes:
    """The secret in base64 after `offset` other bytes, without the characters that share bits with other bytes."""
    encoded = base64.b64encode(bytes(offset) + secret, altchars).rstrip(b"=")
    first = (0, 2, 3)[offset]
    shared_at_the_end = (offset + len(secret)) % 3 != 0
    return encoded[first : len(encoded) - shared_at_the_end]


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
