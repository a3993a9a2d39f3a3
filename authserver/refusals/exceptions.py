"""The exceptions by which a rule of the domain refuses or postpones a request; `oauth/errors` answers them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from authserver.refusals.reasons import Reason

# Of the characters of an `error_description` (RFC 6749 section 5.2) those of URIs, without what a page takes for markup.
_TELLABLE = re.compile(r"[A-Za-z0-9 ._~:/?#\[\]@!$()*+,;=%-]{1,200}")
_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class Refused(Exception):
    """A domain rule refuses the request. The public is told `reason.public` and `about`, never the rest.

    `about` is what it is about: the parameter that is missing or wrong, the scope or the origin. The server defines it or
    the request named it itself, so it is no secret of others. It is left out if a text could not
    have it safely. It is in the answer and the reference, and not in the log.
    """

    def __init__(self, reason: Reason, *, session_id: UUID | None = None, detail: str = "", about: str = "") -> None:
        super().__init__(detail or reason.text)
        self.reason = reason
        self.about = about if _TELLABLE.fullmatch(about) else ""
        self.session_id = session_id
        self.detail = detail
        self.reference: str | None = None  # once it is sealed: `References.of`


class TryLater(Exception):
    """The request may be valid but cannot be served now. The client keeps its tokens and tries again.

    `retry_after` is in seconds.
    """

    def __init__(self, reason: Reason, *, retry_after: int, session_id: UUID | None = None, detail: str = "") -> None:
        super().__init__(detail or reason.text)
        self.reason = reason
        self.retry_after = retry_after
        self.session_id = session_id
        self.detail = detail
        self.reference: str | None = None  # once it is sealed: `References.of`


def named(words: Iterable[str]) -> str:
    """What a request named, for `Refused.about`: all words in a row, without those that look like a token or a secret.

    People put secrets into wrong fields, and an answer is kept and passed on more carelessly than a request.
    """
    told = (word for word in words if _TELLABLE.fullmatch(word) and not _LIKE_A_TOKEN.search(word))
    return " ".join(sorted(told))[:200]
