"""Every act of administration leaves exactly its audit events, with actor, address, object and outcome, and no secret.

The acts are found in the code. A new act needs its function in tests/support/every_act.py, or its name in
CHANGES_NOTHING.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

import authserver.administration
from authserver.administration import apis, pruning
from tests.support.databases import on_both_databases
from tests.support.every_act import ACTOR, ACTS, CALLER, ActContext
from tests.support.oauth import OAuth
from tests.support.setup import Setup
from tests.support.snapshot import contents

pytestmark = on_both_databases

#: Functions that only read, and steps that only other acts call.
CHANGES_NOTHING = {
    "activity.read", "apis.clients_with", "apis.find", "apis.find_all", "audit.find", "audit.look_up",
    "authority.require_roles", "authority.require_scopes", "clients.concerns_of", "clients.find", "clients.find_all",
    "audit.find_one", "doctor.examine", "doctor.survey.take", "explaining.look_up", "keys.find_all", "old_nodes.may_run",
    "password_links.has_administrator", "password_links.require_pages", "recovery.status", "sessions.count_live",
    "users.lock",
    "throttling.at_limit", "throttling.delay_by_strangers", "throttling.delayed", "throttling.show", "throttling.target",
    "sessions.find", "sessions.find_all", "sessions.usernames", "sessions.whose", "sweeping.settle_seconds",
    "users.check_new_password", "users.find", "users.find_all", "users.hash_new", "audit.export",
}  # fmt: skip
#: Housekeeping of the server. A sweep that changes a session writes an event with the server as its actor.
HOUSEKEEPING = {"apis.settle", "pruning.prune", "sweeping.sweep_now", "sweeping.sweep_to_the_end"}


def use_cases() -> Iterator[str]:
    """The public functions under authserver.administration that begin with an Administration; the edges only call them."""
    for module in pkgutil.walk_packages(authserver.administration.__path__, "authserver.administration."):
        short = module.name.removeprefix("authserver.administration.")
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            first = next(iter(inspect.signature(function).parameters.values()), None)
            own = function.__module__ == module.name and not name.startswith("_")
            if own and first is not None and first.annotation == "Administration":
                yield f"{short}.{name}"


def test_every_use_case_is_told_here_or_changes_nothing():
    told = {name.partition(" ")[0] for name in ACTS} | CHANGES_NOTHING | HOUSEKEEPING
    assert set(use_cases()) - told == set(), "add the act to tests/support/every_act.py"
    assert told - set(use_cases()) == set(), "it is no longer a use case"


@pytest.mark.parametrize("name", ACTS)
def test_an_act_leaves_exactly_its_events_and_no_secret(app: Flask, oauth: OAuth, setup: Setup, name: str):
    context = ActContext(setup, oauth)
    expected = ACTS[name](context)
    rows = setup.sql("SELECT * FROM audit_events WHERE actor = :actor ORDER BY id", actor=ACTOR)
    assert sorted(row.event for row in rows) == sorted(event for event, _ in expected)
    for event, thing in expected:
        found = [row for row in rows if row.event == event]
        named = {str(value) for row in found for value in (row.subject, row.client_id, *_ids(row)) if value is not None}
        assert named, event
        assert thing is ... or str(thing) in named, (event, named)
    for row in rows:
        assert (row.address, row.user_agent, row.outcome, row.reference) == (*_caller(), "done", None)
        assert isinstance(json.loads(row.detail), dict)
    _assert_no_secret(setup, context, repr([tuple(row) for row in rows]))


def _caller() -> tuple[str | None, str | None]:
    return CALLER.address, CALLER.user_agent


def _ids(row: Any) -> Iterator[UUID]:
    """As UUIDs: a raw statement gets them from SQLite as 32 digits."""
    yield from (UUID(str(value)) for value in (row.user_id, row.session_id) if value is not None)


def _assert_no_secret(setup: Setup, context: ActContext, text: str) -> None:
    digests = [row.secret_digest for row in setup.sql("SELECT secret_digest FROM clients") if row.secret_digest]
    hashes = [row.password_hash for row in setup.sql("SELECT password_hash FROM users") if row.password_hash]
    for secret in (*context.secrets, *hashes, *(bytes(digest).hex() for digest in digests)):
        assert not secret or secret not in text
    for mark in ("argon2", "ascs_", "asrt_", "$2b$"):
        assert mark not in text


def test_housekeeping_of_a_quiet_server_leaves_nothing_in_an_administrators_name(
    app: Flask, oauth: OAuth, setup: Setup
):
    context = ActContext(setup, oauth)
    before = contents(setup)["audit_events"]
    list(pruning.prune(context.admin))
    apis.settle(context.admin)
    assert contents(setup)["audit_events"] == before
