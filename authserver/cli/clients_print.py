"""How a client is printed, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from authserver.administration.clients import registration_of
from authserver.cli.output import iso, moment, print_fields, span
from authserver.clients.fields import FIELDS, Input
from authserver.clients.model import ClientRecord


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


def print_client(row: ClientRecord) -> None:
    """A client for people."""
    fields: dict[str, object] = asdict(registration_of(row))
    for name, field in FIELDS.items():
        if field.input is Input.DURATION:
            fields[name] = span(getattr(row, name)) or "server's setting"
    fields["default_scopes"] = "all scopes" if row.default_scopes is None else row.default_scopes
    fields |= {"state": state(row), "created": moment(row.created_at), "changed": moment(row.changed_at)}
    if row.secret_digest is not None:
        fields["secret last used"] = moment(row.secret_used_at) or "never"
    if row.previous_secret_expires_at is not None:
        fields["old secret until"] = moment(row.previous_secret_expires_at)
        fields["old secret last used"] = moment(row.previous_secret_used_at) or "never"
    print_fields(fields)


def print_secret(secret: str) -> None:
    """Print a secret. It cannot be printed again."""
    click.echo(f"client_secret: {secret}")
    click.echo("Keep it now: it is shown only once.")


def state(row: ClientRecord) -> str:
    """The state in a word."""
    return "enabled" if row.enabled else "disabled"
