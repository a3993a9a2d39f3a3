"""Idempotency-Key: a program that got no answer to a creation repeats it, and creates nothing twice.

The key and the answer are written in the transaction of the act, so they exist exactly if the act was done. An answer
may hold a new secret that is stored nowhere else, so it is sealed under the master key. A request may hold a password,
so a keyed digest recognises it: with a copy of the database, a thief could try passwords against a plain digest a
thousand times faster than against Argon2. A refusal is not kept: the key can be used for the corrected request.
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
_BARE: Final = r"[\x21\x23-\x7e]{1,255}"
#: The draft has a quoted string of structured fields; most clients send the bare text. Both name one key.
PATTERN: Final = rf'^({_BARE}|"{_BARE}")$'
_KEY: Final = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a key. `digest` stands for actor, operation and key; `request` is all that was sent."""

    digest: bytes
    request: bytes = field(repr=False)

    @classmethod
    def of(cls, key: str, actor: str, operation: str, target: str, body: bytes) -> Attempt:
        """The same text is another key for another actor or operation.

        Raises:
            Problem: the key does not have the documented form.
        """
        if not _KEY.fullmatch(key):
            wrong = FieldProblem("1 to 255 visible ASCII characters without a quote, such as a UUID", parameter=HEADER)
            raise Problem(MALFORMED, f"The {HEADER} does not have the documented form.", [wrong])
        bare = key.strip('"')
        whose = f"{actor}\0{operation}\0{bare}"
        return cls(hashlib.sha256(whose.encode()).digest(), target.encode() + b"\0" + body)


def answered(admin: Administration, attempt: Attempt) -> Response | None:
    """The answer to the first request, if there is one. Looking early saves the work before the transaction."""
    with admin.database.autocommit() as connection:
        row = store.find(connection, attempt.digest)
    return None if row is None or row.sealed_answer is None else _replay(admin, attempt, row)


def once(admin: Administration, attempt: Attempt, act: Callable[[], Response]) -> Response:
    """Do the act if it was not done under this key. Every request with the key gets the same answer.

    Raises:
        Problem: the key was used for another request.
    """
    with admin.transaction() as connection:
        if not store.claim(connection, attempt.digest, admin.vault.tag(attempt.request)):
            row = store.find(connection, attempt.digest)
            if row is None:  # pruned since the claim failed
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
