"""Idempotency-Key: whoever did not get the answer to a creation repeats it, and creates nothing twice.

The key and the answer are written in the transaction of the act, so they are there exactly when the act is. An answer
may hold a new secret, which is in no other place, so it is sealed under the master key. A request may hold a password,
so what it is known again by is keyed: whoever copied the database could try passwords against a plain digest, at a
thousand times the speed of Argon2. A refusal is not kept: the request may be mended and sent again under its key.
(draft-ietf-httpapi-idempotency-key-header)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from flask import Response

from authserver.admin_api.problems import CONFLICT, KEY_REUSED, MALFORMED, FieldProblem, Problem
from authserver.administration import store
from authserver.administration.context import Administration
from authserver.administration.model import IdempotencyRecord
from authserver.database.tables import present
from authserver.keys.vault import MasterKeyError

HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request under a key: the digest of whose key for which operation it is, and all that was asked."""

    digest: bytes
    request: bytes = field(repr=False)

    @classmethod
    def of(cls, key: str, actor: str, operation: str, target: str, body: bytes) -> Attempt:
        """Keys of different actors, or for different operations, never meet.

        Raises:
            Problem: no key that can be.
        """
        # The draft has a quoted string of structured fields; most clients send the bare text. Both name one key.
        bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
        if not _KEY.fullmatch(bare):
            wrong = FieldProblem("1 to 255 visible ASCII characters, such as a UUID", parameter=HEADER)
            raise Problem(MALFORMED, f"The {HEADER} has not the form of one.", [wrong])
        whose = f"{actor}\0{operation}\0{bare}"
        return cls(hashlib.sha256(whose.encode()).digest(), target.encode() + b"\0" + body)


def answered(admin: Administration, attempt: Attempt) -> Response | None:
    """The answer of the first request, if there was one. A look before work that would be for nothing."""
    with admin.database.autocommit() as connection:
        row = store.find(connection, attempt.digest)
    return None if row is None or row.sealed_answer is None else _replay(admin, attempt, row)


def once(admin: Administration, attempt: Attempt, act: Callable[[], Response]) -> Response:
    """Do the act if nobody has done it under this key; all get the same answer.

    Raises:
        Problem: the key was used for another request.
    """
    with admin.transaction() as connection:
        if not store.claim(connection, attempt.digest, admin.vault.tag(attempt.request)):
            row = store.find(connection, attempt.digest)
            if row is None:  # it was there a moment ago, and its time has just run out
                raise Problem(CONFLICT, f"The {HEADER} was in use; send the request again.")
            return _replay(admin, attempt, row)
        response = act()
        packed = [response.status_code, list(response.headers.items()), response.get_data(as_text=True)]
        sealed = admin.vault.seal(json.dumps(packed).encode(), purpose=_purpose(attempt))
        store.keep(connection, attempt.digest, sealed)
    return response


def _replay(admin: Administration, attempt: Attempt, row: IdempotencyRecord) -> Response:
    try:
        status, headers, body = json.loads(admin.vault.open(present(row.sealed_answer), purpose=_purpose(attempt)))
    except MasterKeyError:
        raise Problem(
            CONFLICT,
            "The request was carried out, but its answer cannot be opened: it was sealed under another master key.",
        ) from None
    if not admin.vault.is_tag(row.request_digest, attempt.request):
        raise Problem(KEY_REUSED, "Take a new key for a new request, or send the first request again unchanged.")
    return Response(body, status, headers)


def _purpose(attempt: Attempt) -> str:
    return f"idempotency {attempt.digest.hex()}"
