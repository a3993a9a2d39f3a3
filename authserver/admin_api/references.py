"""References of refusals: which check failed, and what to do about it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from authserver.admin_api.route import Document, Line, Route
from authserver.administration import audit as use_cases
from authserver.administration.context import Administration
from authserver.database.times import iso_of


class Reference(Document):
    """The member `reference` of an error, or of a problem."""

    reference: Annotated[Line, Field(min_length=1, max_length=200)]


class Explanation(Document):
    """Why a request was refused, and what the database knows now about its client, session and user."""

    reason: str
    text: str
    advice: str
    about: str | None = Field(description="The parameter, scope or origin that was refused, where there is one.")
    at: str
    client_id: str | None
    client_enabled: bool | None
    session_id: str | None
    user_id: str | None
    subject: str | None
    username: str | None


def explain(admin: Administration, body: Reference) -> Explanation:
    refusal = use_cases.explain(admin.vault, body.reference)
    known = use_cases.look_up(admin, refusal)
    return Explanation(
        reason=refusal.reason.name.lower(),
        text=refusal.reason.text,
        advice=refusal.reason.advice,
        about=refusal.about,
        at=iso_of(refusal.at),
        client_id=refusal.client_id,
        client_enabled=None if known.client is None else known.client.enabled,
        session_id=None if refusal.session_id is None else str(refusal.session_id),
        user_id=None if known.session is None else str(known.session.user_id),
        subject=known.subject,
        username=known.username,
    )


ROUTES: Final = (
    Route(
        "POST", "/references", "authserver:audit:read", "Explain a refusal", explain, "What the reference says",
    ),
)  # fmt: skip
