"""`authserver why REFERENCE`: which check refused a request, and what to do about it."""

from __future__ import annotations

from typing import Any

import click

from authserver.administration import explaining as use_cases
from authserver.administration.errors import AdminError
from authserver.administration.explaining import Explanation
from authserver.cli.failures import problems_of
from authserver.cli.output import moment, warn
from authserver.cli.programs import Invocation, with_json
from authserver.database.failures import Unavailable
from authserver.database.schema import SchemaOutdated
from authserver.database.times import iso
from authserver.keys.setup import open_vault
from authserver.refusals.references import Refusal
from authserver.sessions.document import as_document


@click.command()
@click.argument("reference")
@with_json
def why(invocation: Invocation, reference: str) -> None:
    """Say why a request was refused. REFERENCE is the member `reference` of the error that the app got, or the whole error.

    The reference is the refusal itself, sealed under the master key. It can be opened without the database, as long as
    the master key is kept. The present state of session and client is shown with it.
    """
    refusal = use_cases.explain(open_vault(invocation.settings, create=False), reference)
    explanation = _look_up(invocation, refusal)
    fields: dict[str, object] = {
        "reason": f"{refusal.reason.text} ({refusal.reason.name.lower()})",
        "what to do": refusal.reason.advice,
        "time": moment(refusal.at),
        "about": refusal.about,
        "client": refusal.client_id,
        "session": refusal.session_id,
    }
    invocation.print_one(_as_document(explanation), {**fields, **_now(explanation)})


def _look_up(invocation: Invocation, refusal: Refusal) -> Explanation:
    """Add what the database knows. If the database has failed, the reason is shown alone."""
    try:
        return use_cases.look_up(invocation.admin, refusal)
    except (*Unavailable, SchemaOutdated, AdminError) as error:
        warn(["the database cannot be used now, so the state of session and client is missing", *problems_of(error)])
        return Explanation(refusal, None)


def _now(explanation: Explanation) -> dict[str, object]:
    fields: dict[str, object] = {}
    if explanation.client_now is not None:
        fields["client now"] = explanation.client_now
    if explanation.session_now is not None:
        fields["session now"] = explanation.session_now
    if explanation.known is not None and explanation.known.session is not None:
        session = explanation.known.session
        fields["user"] = explanation.known.username or session.user_id
        fields["subject"] = explanation.known.subject
        fields["its events"] = f"authserver audit list --session {session.id}"
    return fields


def _as_document(explanation: Explanation) -> dict[str, Any]:
    refusal, known = explanation.refusal, explanation.known
    session = None if known is None else known.session
    client = None if known is None else known.client
    return {
        "reason": refusal.reason.name.lower(),
        "text": refusal.reason.text,
        "advice": refusal.reason.advice,
        "about": refusal.about,
        "at": iso(refusal.at),
        "client_id": refusal.client_id,
        "session_id": None if refusal.session_id is None else str(refusal.session_id),
        "session": None if known is None or session is None else as_document(session, known.username),
        "client_enabled": None if client is None else client.enabled,
    }
