"""`authserver keys`: list, rotate, leaked, rewrap."""

from __future__ import annotations

import click

from authserver.administration import keys as use_cases
from authserver.administration import leaks
from authserver.cli.output import confirm, counted, moment, yes_option
from authserver.cli.programs import Invocation, with_json
from authserver.keys.document import as_document
from authserver.keys.model import Kind, State

_KINDS = {kind.value: kind for kind in Kind}
_NONE_YET = "There are no keys yet: the server makes them when it is started for the first time (authserver serve)."


@click.group()
def keys() -> None:
    """See and rotate the keys behind access tokens (signing, opaque) and refresh tokens (token).

    \b
    A key is: next (published, not yet used), active, retired (still published), gone.
    The server rotates by itself (keys.signing_key_lifetime, keys.token_key_lifetime).
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled


@keys.command("list")
@click.option("--all", "include_gone", is_flag=True, help="Include keys that are gone.")
@with_json
def list_(invocation: Invocation, *, include_gone: bool) -> None:
    """List keys, oldest first. This needs no master key."""
    rows = [row for row in use_cases.find_all(invocation.admin) if include_gone or row.state != State.GONE]
    columns = ("id", "kind", "state", "algorithm", "created", "active since", "retired", "gone", "kid")
    table = [
        (
            row.id, row.kind, f"{row.state}, leaked" if row.leaked else row.state, row.algorithm,
            moment(row.created_at), moment(row.activated_at), moment(row.retired_at), moment(row.gone_at), row.kid,
        )
        for row in rows
    ]  # fmt: skip
    invocation.print_list([as_document(row) for row in rows], columns, table, _NONE_YET)


@keys.command()
@click.option("--kind", type=click.Choice(list(_KINDS)), default="signing", show_default=True, help="Which key.")
@click.option("--now", "at_once", is_flag=True, help="Even if not every API and node knows the next key yet.")
@with_json
def rotate(invocation: Invocation, kind: str, *, at_once: bool) -> None:
    """Promote the published next key, and publish another one after it. Every session goes on.

    A next key is promoted only after it was published long enough: keys.jwks_max_age and two node caches for a signing
    key, two node caches for a token key. Usually it was.

    --now does not wait. For the rest of that time it costs:

    \b
      signing  an API whose copy of the key set is older, and which does not fetch it again on an unknown kid,
               refuses new access tokens
      token    a node that has not noticed looks the key up in the database for each refresh token it does not know
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    use_cases.rotate(invocation.admin, _KINDS[kind], at_once=at_once)
    rows = [row for row in use_cases.find_all(invocation.admin) if row.kind == kind and row.state != State.GONE]
    active = next(row for row in rows if row.state == State.ACTIVE)
    text = f"Key {active.id} is the active {kind} key; nodes notice within {invocation.settings.caches.max_age:g} s."
    invocation.done(text, keys=[as_document(row) for row in rows])


@keys.command()
@click.argument("key_id", type=int, required=False)
@click.option("--all", "every", is_flag=True, help="Every key: a thief had the master key and a copy of the database.")
@yes_option
@with_json
def leaked(invocation: Invocation, key_id: int | None, *, every: bool, yes: bool) -> None:
    """Mark a key as leaked, or all of them. If it is active, the next one takes over first. Nobody is signed out.

    Before it asks, it says what this costs and for how long. A thief who had one key of the database may have had all.

    The master key is not in the list, and cannot be marked. docs/keys.md has the steps after it has leaked: they
    also replace what is made from it, the keys of references and of messages on pages.

    \b
    Examples:
      authserver keys leaked 7
      authserver keys leaked --all
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    if every == (key_id is not None):
        raise click.UsageError("Give the id of a key, or --all.")
    admin = invocation.admin  # opens the database before the question
    trusted = [row for row in use_cases.find_all(admin) if row.state != State.GONE and not row.leaked]
    chosen = [row for row in trusted if every or row.id == key_id]
    consequences = {row.id: list(leaks.costs(row, invocation.settings)) for row in chosen}
    for row in chosen:
        said = [f"Key {row.id}, the {row.state} {row.kind} key:", *consequences[row.id]]
        click.echo("\n  ".join(said), err=True)
    confirm(f"Mark {'every key' if every else f'key {key_id}'} as leaked? This cannot be undone.", yes=yes)
    if key_id is None:
        marked = use_cases.mark_all_leaked(admin)
    else:
        use_cases.mark_leaked(admin, key_id)
        marked = [key_id]
    rows = [row for row in use_cases.find_all(admin) if row.id in marked]
    text = (
        f"Marked {counted(len(marked), 'key')} as leaked; nodes notice within {invocation.settings.caches.max_age:g} s."
    )
    invocation.done(text, keys=[{**as_document(row), "costs": consequences.get(row.id, [])} for row in rows])


@keys.command()
@with_json
def rewrap(invocation: Invocation) -> None:
    """Seal every key under the present master key. Every session goes on.

    \b
    To change the master key on a single node (docs/keys.md has the steps for several):
      1. set the new one as master_key and the present one as old_master_key, and restart
      2. authserver keys rewrap
      3. unset old_master_key
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    count = use_cases.rewrap(invocation.admin)
    invocation.done(f"Sealed {count} keys under the present master key.", keys=count)
