"""The exceptions by which a rule of the domain refuses or postpones a request; `oauth/errors` answers them."""

from __future__ import annotations

from uuid import UUID

from authserver.refusals.reasons import Reason


class Refused(Exception):
    """A domain rule refuses the request. The public is told `reason.public`, never the rest.

    `parameter` is the request parameter that is missing or wrong. The server defines such names, so they are public.
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
