"""Status lists as an API reads them (IETF Token Status List)."""

from __future__ import annotations

import base64
import zlib

import httpx

from tests.support.oauth import claims


def index_of(access_token: str) -> int:
    """The index of a token in its list."""
    index: int = claims(access_token)["status"]["status_list"]["idx"]
    return index


def listed(response: httpx.Response) -> set[int]:
    """The indices that a list marks as revoked."""
    body = claims(response.text)["status_list"]
    bits = zlib.decompress(base64.urlsafe_b64decode(body["lst"] + "=" * (-len(body["lst"]) % 4)))
    return {8 * at + bit for at, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1}
