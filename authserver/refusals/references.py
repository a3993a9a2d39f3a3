"""The sealed reference of a refusal, which `authserver why` opens.

The public text of a refusal is constant and terse. The precise reason travels with it, encrypted under a key derived
from the master key, as a string of constant length: nothing is stored, so a flood of refusals writes nothing, and two
refusals with the same public text cannot be told apart by what they carry.
"""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from authserver import base64url
from authserver.refusals.exceptions import Refused, TryLater
from authserver.refusals.reasons import Reason

_BY_NUMBER = {reason.number: reason for reason in Reason}

# reason, milliseconds since the epoch, session id, client id cut or padded to its length. `about` and random bytes follow.
_HEAD = struct.Struct(">HQ16s32s")
_ABOUT_BYTES, _RANDOM_BYTES = 62, 8
#: The characters of every reference that is made, and of those that older nodes made, without `about`.
LENGTH, OLD_LENGTH = 192, 110


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reference says: why and when a request was refused, and of which client and session, where known.

    `at` is in milliseconds since the epoch by the node's clock. `client_id` and `about` (`Refused.about`) are as the
    request gave them, cut to 32 and 62 bytes.
    """

    reason: Reason
    at: int
    client_id: str | None = None
    session_id: UUID | None = None
    about: str | None = None


class References:
    """Seals refusals and opens references with AES-SIV (RFC 5297), which a repeated nonce does not break."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def seal(self, refusal: Refusal) -> str:
        """Return the reference: always `LENGTH` characters of base64url, of which the first is no hyphen."""
        client_id, about = ((text or "").encode(errors="replace") for text in (refusal.client_id, refusal.about))
        session_id = refusal.session_id.bytes if refusal.session_id else bytes(16)
        while True:
            plain = _HEAD.pack(refusal.reason.number, refusal.at, session_id, client_id)  # cuts and pads the text
            plain += about[:_ABOUT_BYTES].ljust(_ABOUT_BYTES, b"\0") + secrets.token_bytes(_RANDOM_BYTES)
            reference = base64url.encode(self._cipher.encrypt(plain, None))
            # One in 64 begins with a hyphen, and a command line would take that for options. Draw it again with other
            # random bytes. That tells nothing about the refusal: which references are drawn again depends on the key.
            if not reference.startswith("-"):
                return reference

    def of(self, refused: Refused | TryLater, client_id: str | None) -> str:
        """The reference of a refusal: sealed at the first call, and the same from then on.

        So an audit event that is recorded before the answer holds the reference that the caller will get.
        """
        if refused.reference is None:
            now = time.time_ns() // 1_000_000
            about = refused.about if isinstance(refused, Refused) else None
            refused.reference = self.seal(Refusal(refused.reason, now, client_id, refused.session_id, about))
        return refused.reference

    def open(self, reference: str) -> Refusal:
        """Return what a reference says.

        Raises:
            ValueError: it is no reference, was altered, or was sealed under another master key.
        """
        try:
            plain = self._cipher.decrypt(base64url.decode(reference.strip()), None)
            number, at, session_id, client_id = _HEAD.unpack_from(plain)
            reason = _BY_NUMBER[number]
        except (ValueError, KeyError, InvalidTag, struct.error) as error:
            raise ValueError("not a reference of this server, or sealed under another master key") from error
        return Refusal(
            reason,
            at,
            client_id.rstrip(b"\0").decode(errors="replace") or None,
            UUID(bytes=session_id) if any(session_id) else None,
            plain[_HEAD.size : -_RANDOM_BYTES].rstrip(b"\0").decode(errors="replace") or None,
        )
