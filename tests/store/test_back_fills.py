"""Back-fills: batches beside the work of the server, done by one worker of all nodes, cut off at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from authserver.administration import back_fills
from authserver.administration.back_fills.base import BackFill
from authserver.clients import store as clients
from authserver.database import schema
from authserver.database.engine import Database
from authserver.database.leases import Lease
from authserver.operations.housekeeping import Housekeeping
from authserver.operations.shared_work import SharedWork
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.forked import authserver
from tests.support.hasher import until
from tests.support.next_version import REVISION, make_next_version, run
from tests.support.setup import Setup

pytestmark = on_both_databases


def old_clients(setup: Setup, count: int) -> None:
    """Add clients as a node did that knew no status indices."""
    added = [setup.an_app().client_id for _ in range(count)]
    for client_id in added:
        setup.sql("UPDATE clients SET status_index = NULL WHERE client_id = :id", id=client_id)


def indices(setup: Setup) -> dict[str, int | None]:
    return {row.client_id: row.status_index for row in setup.sql("SELECT client_id, status_index FROM clients")}


def a_worker(setup: Setup) -> SharedWork:
    lease = Lease(setup.database, "back-fills", longest=600)
    return SharedWork(lease, lambda: back_fills.fill(setup.database, batch=3), pause=600)


def test_a_back_fill_that_is_cut_off_goes_on_at_another_worker(setup: Setup):
    old_clients(setup, 8)
    dead, other = a_worker(setup), a_worker(setup)
    assert dead.step()
    assert not other.step(), "one worker does it"
    first = {name: index for name, index in indices(setup).items() if index is not None}
    assert len(first) == 3
    setup.sql("UPDATE leases SET until = until - 30001")
    while other.step():
        pass
    after = indices(setup)
    assert None not in after.values()
    assert len(set(after.values())) == 8
    assert first.items() <= after.items(), "what was filled stays"
    assert back_fills.left(setup.database) == {"client_status_indices": 0}


def test_two_workers_at_once_give_each_client_one_index(setup: Setup):
    old_clients(setup, 4)
    one, other = (clients.give_status_indices(setup.database, batch) for batch in (2, 100))
    assert next(one) == 2
    assert next(other) == 2
    before = indices(setup)
    assert next(one, None) is None
    assert indices(setup) == before


def test_rows_that_an_old_node_adds_later_are_filled_too(setup: Setup, housekeeping: Housekeeping):
    old_clients(setup, 1)
    assert housekeeping.filling.step()
    assert not housekeeping.filling.step()
    old_clients(setup, 1)
    assert not housekeeping.filling.step(), "it pauses"
    setup.sql("UPDATE leases SET until = until - 600001")
    assert housekeeping.filling.step()
    assert None not in indices(setup).values()


def test_the_command_says_what_is_left(setup: Setup):
    old_clients(setup, 2)
    assert setup.settings.database.url is not None
    environment = {"AUTHSERVER_DATABASE__URL": setup.settings.database.url.get_secret_value()}
    told = json.loads(authserver("db", "status", "--json", environment=environment).stdout)
    newest = schema.newest()
    assert told == {"schema": newest, "needed": newest, "problem": None, "left": {"client_status_indices": 2}}
    upgraded = authserver("db", "upgrade", environment=environment).stdout
    assert "Left to the servers of this version: client_status_indices (2 rows)" in upgraded
    setup.sql("UPDATE alembic_version SET version_num = '0005'")
    assert "run: authserver db upgrade" in authserver("db", "status", environment=environment).stdout


def test_a_contract_sees_a_row_that_is_left(setup: Setup):
    unfilled = "SELECT 1 FROM clients WHERE status_index IS NULL"
    setup.transaction(lambda connection: schema.demand_filled(connection, "indices", unfilled))
    old_clients(setup, 1)
    with pytest.raises(schema.RowsLeft, match="the back-fill indices has not ended"):
        setup.transaction(lambda connection: schema.demand_filled(connection, "indices", unfilled))


def test_a_contract_waits_for_its_back_fill(setup: Setup, tmp_path: Path):
    old_clients(setup, 1)
    contract = """schema.demand_filled(op.get_bind(), "client_status_indices", "SELECT 1 FROM clients WHERE status_index IS NULL")
with op.batch_alter_table("clients") as clients:
    clients.alter_column("status_index", nullable=False)"""
    make_next_version(tmp_path / "next", contract)
    refused = run(tmp_path / "next", setup.settings, "db", "upgrade")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "error: the schema was not changed: the back-fill client_status_indices has not ended"
    )
    schema.check(setup.database)
    list(back_fills.fill(setup.database, batch=3))
    upgraded = run(tmp_path / "next", setup.settings, "db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert setup.sql("SELECT version_num FROM alembic_version") == [(REVISION,)]


@on_postgresql
def test_an_index_of_a_large_table_is_made_by_a_back_fill_while_others_write(setup: Setup):
    """The recipe of CONTRIBUTING.md: `CREATE INDEX CONCURRENTLY` cannot run in the transaction of a migration."""
    being_made = "SELECT 1 FROM pg_stat_progress_create_index WHERE relid = 'clients'::regclass"

    def make_index(database: Database, _batch: int) -> Iterator[int]:
        with database.autocommit() as connection:
            if missing(connection) and not connection.execute(text(being_made)).first():
                connection.execute(text("DROP INDEX CONCURRENTLY IF EXISTS ix_clients_kind"))
                connection.execute(text("CREATE INDEX CONCURRENTLY ix_clients_kind ON clients (kind)"))
                yield 1

    def missing(connection: Connection) -> int:
        made = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix_clients_kind') AND indisvalid"
        return 1 - int(connection.execute(text(made)).scalar_one())

    toy = (BackFill("an_index", make_index, missing),)
    setup.an_app()
    with setup.database.transaction() as writing:
        writing.execute(text("UPDATE clients SET name = 'long'"))
        making = threading.Thread(target=lambda: list(back_fills.fill(setup.database, batch=1, back_fills=toy)))
        making.start()
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'"
        until(lambda: setup.sql(waits))
        setup.an_app()
        writing.execute(text("UPDATE clients SET name = 'longer'"))
    making.join()
    with setup.database.autocommit() as connection:
        assert not missing(connection)
    assert list(back_fills.fill(setup.database, batch=1, back_fills=toy)) == []
