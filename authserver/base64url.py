"""base64url without padding (RFC 4648 section 5), in which each value has one spelling."""

from __future__ import annotations

import base64


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode what `encode` makes.

    Raises:
        ValueError: another spelling: `+` or `/`, padding, other characters, or bits set that carry nothing.
    """
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(raw) != text:
        raise ValueError("no base64url without padding")
    return raw
