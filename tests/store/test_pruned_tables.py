"""Every table of which rows grow old is pruned in the same batches, which adapt their size and are counted."""

from __future__ import annotations

from collections import Counter
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Uuid, insert

from authserver.administration import pruning
from authserver.administration.context import Administration
from authserver.administration.pruning import Pruned
from authserver.database.batches import Batches
from authserver.database.identifiers import new_id
from authserver.database.tables import Model
from authserver.operations.housekeeping import Housekeeping
from authserver.records import audit, metrics
from authserver.records.audit import Entry, Event
from authserver.settings.values import RetentionSettings
from tests.support.databases import on_both_databases
from tests.support.setup import Setup
from tests.support.some_sessions import some_sessions

pytestmark = on_both_databases

KEEP = RetentionSettings(prune_batch=5)
OLD, KEPT = 13, 2
FAR = 4_102_444_800_500
#: Tables whose rows are few and kept, or replaced where they stand.
NEVER_PRUNED = {
    "apis", "keys", "leases", "recoveries", "schema_origin", "scopes", "secrets", "status_counter",
}  # fmt: skip
#: Tables in which several rows share the key by which batches find them: so many.
SHARED = {"activity": 3, "known_places": 3}
OF_TIME = (
    "activity", "ended_own_tokens", "idempotency_keys", "known_places", "password_links", "sign_in_codes",
    "throttle_buckets", "throttle_strangers", "visits",
)  # fmt: skip


def rows_of(name: str, how_many: int, at: int) -> list[dict[str, Any]]:
    """Rows of a table with all their times at a moment (milliseconds); those that share a key stand side by side."""

    def value(column: Column[Any], number: int) -> Any:
        if isinstance(column.type, Uuid):
            return people[number]
        if isinstance(column.type, LargeBinary):
            return (number + at % 1000).to_bytes(16)
        if isinstance(column.type, BigInteger) and column.name != "status_index":
            return at + number // shared if column.name == "at" else at
        if isinstance(column.type, Integer):
            return number + at % 1000 if column.name in {"slot", "status_index"} else 1
        return str(number)

    shared = SHARED.get(name, 1)
    people = [person for _ in range(how_many) for person in [new_id()] * shared]
    columns = [column for column in Model.metadata.tables[name].columns if not column.nullable]
    return [{column.name: value(column, number) for column in columns} for number in range(how_many)]


def fill(setup: Setup, name: str, how_many: int, at: int = 1) -> None:
    setup.transaction(
        lambda connection: connection.execute(insert(Model.metadata.tables[name]), rows_of(name, how_many, at))
    )


def some_of_everything(setup: Setup) -> None:
    """Old rows in each table, and a few that are kept."""
    for name in OF_TIME:
        fill(setup, name, OLD)
        fill(setup, name, KEPT, FAR)
    setup.sql("DELETE FROM audit_events")  # of the setup itself
    some_sessions(setup, OLD, revoked_at=1)
    setup.sql("UPDATE sessions SET access_expires_at = 1")
    some_sessions(setup, KEPT)
    for _ in range(OLD):
        setup.transaction(lambda connection: audit.record(connection, Entry(Event.VISIT_OPENED, "client:a")))
        setup.a_person(password_hash="none")
        setup.an_app()
    setup.sql("UPDATE audit_events SET at = 1")
    setup.sql("UPDATE users SET removed_at = 1")
    setup.sql("UPDATE clients SET removed_at = 1, changed_at = 1, swept_epoch = epoch")


def left(setup: Setup) -> dict[str, int]:
    return {name: setup.sql(f"SELECT count(*) AS n FROM {name}")[0].n for name in Model.metadata.tables}


def test_rows_of_every_table_go_in_batches_that_are_counted(setup: Setup):
    some_of_everything(setup)
    seen: list[tuple[str, int]] = []
    batches = Batches(setup.database, KEEP.prune_batch, lambda table, rows, _seconds: seen.append((table, rows)))
    state = list(pruning.walk(batches, KEEP))[-1]
    deleted = Counter[str]()
    for table, rows in seen:
        assert rows < KEEP.prune_batch + SHARED.get(table, 1), table
        deleted[table] += rows
    assert deleted == dict.fromkeys(set(Model.metadata.tables) - NEVER_PRUNED, OLD)
    assert {name: left(setup)[name] for name in OF_TIME} == dict.fromkeys(OF_TIME, KEPT)
    assert state == Pruned(0, OLD + KEPT, OLD, OLD, 2 * OLD, len(OF_TIME) * OLD)


def test_the_clean_up_of_a_node_counts_every_table(setup: Setup, housekeeping: Housekeeping):
    def counted() -> dict[str, float]:
        samples = [sample for metric in metrics.PRUNED.collect() for sample in metric.samples]
        return {sample.labels["table"]: sample.value for sample in samples if sample.name.endswith("_total")}

    some_of_everything(setup)
    before = counted()
    while housekeeping.pruning.step():
        pass
    after = {table: rows - before.get(table, 0) for table, rows in counted().items()}
    assert after == dict.fromkeys(set(Model.metadata.tables) - NEVER_PRUNED, OLD)
    timed = {sample.labels["table"] for metric in metrics.PRUNING.collect() for sample in metric.samples}
    assert timed >= after.keys()


def test_the_command_prunes_every_table_too(setup: Setup):
    some_of_everything(setup)
    admin = Administration(setup.database, setup.with_settings(retention=KEEP), "cli:test")
    progress = [state.others for state in pruning.prune(admin)]
    assert progress == sorted(progress)
    assert progress[-1] == len(OF_TIME) * OLD
    assert len(set(progress)) > 2 * len(OF_TIME), "it shows each batch"


@pytest.mark.parametrize("name", ["activity", "known_places", "throttle_buckets", "throttle_strangers", "visits"])
def test_a_batch_that_took_long_is_followed_by_a_smaller_one(name: str, setup: Setup, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    fill(setup, name, 297)
    batches = Batches(setup.database, 500, lambda _table, rows, _seconds: seen.append(rows))
    clock = count(step=1)
    monkeypatch.setattr("authserver.database.batches.time", SimpleNamespace(monotonic=lambda: next(clock) * 0.03))
    for _ in pruning.walk(batches, KEEP):
        pass
    for rows, size in zip(seen, (100, 50, 25, 12, 10, 10), strict=False):
        assert size <= rows < size + SHARED.get(name, 1)
    assert sum(seen) == 297


def test_a_pruned_place_takes_no_other_of_its_user_along(setup: Setup):
    fill(setup, "known_places", 3)
    setup.sql("UPDATE known_places SET last_at = :now WHERE place <> :old", now=FAR, old=(1).to_bytes(16))
    list(pruning.walk(Batches(setup.database, 10), KEEP))
    assert left(setup)["known_places"] == 2


def test_a_pruned_count_takes_none_of_another_kind_along(setup: Setup):
    fill(setup, "throttle_buckets", 3)
    columns = "INTO throttle_buckets (kind, slot, empty_at, charged_at)"
    setup.sql(f"INSERT {columns} SELECT 2, slot, CAST(:far AS BIGINT), charged_at FROM throttle_buckets", far=FAR)
    list(pruning.walk(Batches(setup.database, 10), KEEP))
    assert [(row.kind, row.empty_at) for row in setup.sql("SELECT * FROM throttle_buckets")] == [(2, FAR)] * 3
