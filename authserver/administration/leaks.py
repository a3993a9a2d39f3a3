"""What it costs to mark a key as leaked, and for how long, in sentences for the command line and the console."""

from __future__ import annotations

from collections.abc import Iterator

from authserver.keys.model import KeyRecord, Kind, State
from authserver.settings.model import Settings

#: How long the library for APIs uses an answer of introspection again, in seconds (`introspection_seconds`).
_INTROSPECTED = 5


def costs(row: KeyRecord, settings: Settings) -> Iterator[str]:
    """Say it for this key, before or after the act. Marking a key ends no session."""
    nodes, apis = f"{settings.caches.max_age:g} s", f"{settings.keys.jwks_max_age} s"
    if row.state == State.NEXT:
        yield "The key was never used: nothing that the server made is refused. Another next key takes its place."
        return
    match row.kind:
        case Kind.SIGNING:
            yield (
                f"It is gone at once. Its access tokens are refused, true ones too: by this server within {nodes}, by an API when it fetches the "
                f"key set again, within {apis} (keys.jwks_max_age). Until then the API accepts forged ones; a restart of "
                "the API ends that sooner."
            )
            yield "Apps refresh and services ask for a new token. Every session goes on."
            if row.state == State.ACTIVE:
                yield (
                    "The next key signs from now on. An API that has not seen it, and does not fetch the key set for an "
                    f"unknown kid, refuses new access tokens for at most {apis}."
                )
        case Kind.OPAQUE:
            yield (
                f"It is gone at once. Its opaque access tokens are refused, true ones too: within {nodes}, and {_INTROSPECTED} s later by an API "
                "that keeps answers of introspection."
            )
            yield "Apps refresh and services ask for a new token. Every session goes on."
        case _:
            yield "Its refresh tokens are still read. Every session goes on, with the new key from its next refresh on."
            yield (
                f"Within {nodes}, and until a session's next refresh, a refresh token that does not match the session proves "
                "no theft: it is refused and ends nothing. So theft goes unnoticed that long."
            )
            yield (
                "A thief who has the key, the session's row and a used refresh token can compute the current one until "
                "the session has refreshed. To rule that out, end sessions: authserver sessions revoke"
            )
