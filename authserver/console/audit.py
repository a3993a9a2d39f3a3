"""Audit: what happened, who did it, on what and from where; filters, detail, and the same as a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from flask import Response, abort, request

from authserver.administration import audit
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid, NotFound
from authserver.administration.words import EVENTS, event_in_words, nouns
from authserver.console.entry import sentences
from authserver.console.form import user_id_of, uuid_of
from authserver.console.section import Section
from authserver.pages.pages import Page, render
from authserver.records.audit import Event, Position, Search

SECTION: Final = Section("Audit", "audit", reads="authserver:audit:read")

_PAGE_SIZE: Final = 50
_FILTERS: Final = ("event", "client", "user", "session", "actor", "since", "until")
_BATCH: Final = 65_536


@SECTION.get()
def index(admin: Administration) -> Page:
    asked, status, problems = _filters(), 200, []
    try:
        search = _search(admin, asked)
        rows = audit.find(admin, search, limit=_PAGE_SIZE + 1, before=_position(request.args.get("before")))
    except (Invalid, NotFound) as refusal:
        rows, status, problems = [], 422, sentences(refusal.problems)
    shown = rows[:_PAGE_SIZE]
    older = {**asked, "before": f"{shown[-1].at}.{shown[-1].id}"} if len(rows) > _PAGE_SIZE else None
    return render(
        "console/audit.html",
        status,
        rows=shown,
        asked=asked,
        problems=problems,
        older=older,
        is_first="before" not in request.args,
        events=_choices(),
        in_words=event_in_words,
        retention=admin.settings.retention.audit,
    )


@SECTION.get("/<uuid:event_id>")
def show(admin: Administration, event_id: UUID) -> Page:
    row = audit.find_one(admin, event_id)
    detail = json.loads(row.detail)
    return render("console/audit_event.html", row=row, detail=detail, in_words=event_in_words)


@SECTION.get("/export")
def export(admin: Administration) -> Page:
    """One JSON document a line. JSON escapes the line breaks in a value, so a value cannot begin a line."""
    rows = audit.export(admin, _search(admin, _filters()))

    def lines() -> Iterator[str]:
        waiting, size = [], 0
        for row in rows:
            waiting.append(json.dumps(audit.as_document(row)) + "\n")
            size += len(waiting[-1])
            if size > _BATCH:
                yield "".join(waiting)
                waiting, size = [], 0
        yield "".join(waiting)

    name = f"audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.jsonl"
    return Response(
        lines(),
        content_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


def _filters() -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in _FILTERS}


def _search(admin: Administration, asked: dict[str, str]) -> Search:
    return Search(
        event=asked["event"] or None,
        client_id=asked["client"] or None,
        user_id=user_id_of(admin, asked["user"]),
        session_id=_uuid("session", asked["session"]),
        since=_moment("since", asked["since"]),
        until=_moment("until", asked["until"]),
        actor=asked["actor"] or None,
    )


def _uuid(name: str, text: str) -> UUID | None:
    found = uuid_of(text)
    if text and found is None:
        raise Invalid("must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057", field=name)
    return found


def _moment(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Invalid("must be a time in UTC such as 2026-01-31 or 2026-01-31T12:00", field=name) from None


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    at, _, event_id = text.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) <= 15):
        abort(400)
    try:
        return Position(int(at), UUID(event_id))
    except ValueError:
        abort(400)


def _choices() -> list[tuple[str, str]]:
    whole = [(noun, f"{noun}: everything") for noun in nouns()]
    single = [(event.value, f"{event.value}: {EVENTS.get(event.value, '')}") for event in Event]
    return [("", "any"), *sorted([*whole, *single])]
