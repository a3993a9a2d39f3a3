"""How a client is printed, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from authserver.administration.clients import registration_of
from authserver.cli.output import moment, span, state_of
from authserver.cli.programs import Invocation
from authserver.clients.fields import FIELDS, Input
from authserver.clients.model import ClientRecord
from authserver.database.times import iso


def as_document(row: ClientRecord) -> dict[str, Any]:
    """A client for programs. Durations are in seconds; null means the server's setting."""
    return {
        **asdict(registration_of(row)),
        "enabled": row.enabled,
        "created_at": iso(row.created_at),
        "changed_at": iso(row.changed_at),
        "secret_used_at": iso(row.secret_used_at),
        "previous_secret_expires_at": iso(row.previous_secret_expires_at),
        "previous_secret_used_at": iso(row.previous_secret_used_at),
    }


def print_client(invocation: Invocation, row: ClientRecord, done: str | None = None, secret: str | None = None) -> None:
    """Print a client after a line that says what was done with it, and its secret if it has just got one."""
    fields: dict[str, object] = asdict(registration_of(row))
    for name, field in FIELDS.items():
        if field.input is Input.DURATION:
            fields[name] = span(getattr(row, name)) or "server's setting"
    fields["default_scopes"] = "all scopes" if row.default_scopes is None else row.default_scopes
    fields |= {"state": state_of(row), "created": moment(row.created_at), "changed": moment(row.changed_at)}
    if row.secret_digest is not None:
        fields["secret last used"] = moment(row.secret_used_at) or "never"
    if row.previous_secret_expires_at is not None:
        fields["old secret until"] = moment(row.previous_secret_expires_at)
        fields["old secret last used"] = moment(row.previous_secret_used_at) or "never"
    invocation.print_one(as_document(row) | ({"client_secret": secret} if secret else {}), fields, done)
    if secret and not invocation.as_json:
        click.echo(f"\n{handed_out(secret)}")


def handed_out(secret: str) -> str:
    """The secret for people. It cannot be printed again."""
    return f"client_secret: {secret}\nKeep it now: it is shown only once."
