"""How a rule of the domain says no, or not now. Both carry the reason; `oauth/errors` answers them."""

from __future__ import annotations

from uuid import UUID

from authserver.refusals.reasons import Reason


class Refused(Exception):
    """A domain rule said no. The public is told `reason.public`, never the rest.

    `parameter` is the name of the request parameter that is missing or wrong; it is one of ours, so it may be told.
    """

    def __init__(
        self, reason: Reason, *, session_id: UUID | None = None, detail: str = "", parameter: str = ""
    ) -> None:
        super().__init__(detail or reason.text)
        self.reason = reason
        self.parameter = parameter
        self.session_id = session_id
        self.detail = detail
        self.reference: str | None = None  # once it is sealed: `References.of`


class TryLater(Exception):
    """Nothing is wrong with the request, but it cannot be served now; the client keeps what it has and comes back.

    `retry_after` is in seconds.
    """

    def __init__(self, reason: Reason, *, retry_after: int, session_id: UUID | None = None, detail: str = "") -> None:
        super().__init__(detail or reason.text)
        self.reason = reason
        self.retry_after = retry_after
        self.session_id = session_id
        self.detail = detail
        self.reference: str | None = None  # once it is sealed: `References.of`
