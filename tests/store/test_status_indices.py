"""Status indices after the database went back in time: no index gets a second holder, and no sign-in fails."""

import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.clients import store as clients
from authserver.database.engine import open_database
from authserver.database.status_indices import AFTER_A_LOSS, BLOCK, MARGIN, StatusIndices, lease
from tests.support.at_once import processes_at_once, threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.hasher import until
from tests.support.oauth import OAuth, Person
from tests.support.server import ForkedServer
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases

#: So many that nodes with one block cannot miss each other by luck: less than once in a billion runs.
SIGN_INS = 60


@pytest.fixture
def nodes(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[OAuth]]:
    """Four nodes with one client."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    client = setup.an_app()
    apps = [create_app(setup.settings) for _ in range(4)]
    transports = [httpx.WSGITransport(app, raise_app_exceptions=False) for app in apps]
    made = [httpx.Client(transport=transport, base_url=setup.settings.issuer) for transport in transports]
    yield [OAuth(http, client) for http in made]
    for http, app in zip(made, apps, strict=True):
        http.close()
        app.extensions["authserver"].database.dispose()


def used(setup: Setup) -> list[int]:
    return [row.status_index for row in setup.sql("SELECT status_index FROM sessions")]


def put_back(setup: Setup, index: int = 0) -> None:
    setup.sql("UPDATE status_counter SET next_index = :index", index=index)


def counter(setup: Setup) -> int:
    (row,) = setup.sql("SELECT next_index FROM status_counter")
    return int(row.next_index)


def test_no_sign_in_fails_when_nodes_hold_the_same_block(setup: Setup, nodes: list[OAuth], person: Person):
    """Once one sign-in in five was a 500 after a restore under running nodes: two sessions had one index."""
    for node in nodes:  # each leases a block that begins where the first began: nothing is in use yet
        assert node.sign_in(person).status_code == 200
        setup.sql("DELETE FROM sessions")
        setup.sql("UPDATE clients SET status_index = 0")
        put_back(setup)

    def sign_in_often(node: OAuth) -> list[int]:
        return [node.sign_in(person).status_code for _ in range(SIGN_INS)]

    answers = threads_at_once(*(lambda node=node: sign_in_often(node) for node in nodes))
    assert answers == [[200] * SIGN_INS] * 4
    assert len(set(used(setup))) == 4 * SIGN_INS
    assert counter(setup) > MARGIN, "the nodes that met have left the block"


def test_a_lease_begins_beyond_every_index_in_use(setup: Setup, nodes: list[OAuth], person: Person):
    client_id = nodes[0].app.client_id
    nodes[0].sign_in(person)
    for table in ("sessions", "clients"):
        setup.sql(f"UPDATE {table} SET status_index = 5000")
        put_back(setup)
        assert setup.transaction(lease) == 5001
        setup.sql(f"UPDATE {table} SET status_index = 1")
    setup.sql("UPDATE clients SET status_index = 7000")
    setup.transaction(lambda connection: clients.end_own_tokens(connection, client_id))
    setup.sql("UPDATE clients SET status_index = 2")
    put_back(setup)
    assert setup.transaction(lease) == 7001, "an index that the lists still show as ended"


def test_clients_can_be_added_and_ended_after_the_counter_went_back(setup: Setup):
    first = setup.an_app()
    put_back(setup)
    setup.end_epoch(first.client_id, enabled=True)
    put_back(setup)
    setup.end_epoch(setup.an_app().client_id, enabled=True)
    setup.end_epoch(first.client_id, enabled=True)
    rows = setup.sql("SELECT status_index FROM clients UNION ALL SELECT status_index FROM ended_own_tokens")
    assert len({row.status_index for row in rows}) == len(rows) == 5


def test_a_process_that_finds_its_lease_forgotten_moves_the_counter_far_ahead(setup: Setup):
    """Others may have given out more than it knows, to sessions whose rows are lost and whose tokens are valid."""
    indices = StatusIndices(setup.database)
    indices.check()
    before = counter(setup)
    given = indices.take()
    assert before <= given < before + BLOCK
    indices.check()
    assert counter(setup) == before + BLOCK, "nothing went back"
    put_back(setup, before)
    indices.check()
    assert counter(setup) == before + BLOCK + MARGIN
    assert indices.take() >= before + BLOCK + MARGIN
    assert StatusIndices(setup.database).take() >= before + BLOCK + MARGIN


@on_postgresql
def test_a_process_that_lost_its_connections_leaves_out_what_others_may_have_given(setup: Setup):
    """A failover may lose leases of which it knows nothing. Those who know look only every few seconds."""
    ours, another = StatusIndices(setup.database), open_database(Flask("another"), setup.settings)
    try:
        before = counter(setup)
        given = StatusIndices(another).take()
        put_back(setup, before)
        assert setup.database.losses == 0
        assert setup.postgres is not None
        with psycopg.connect(setup.postgres.admin_url, autocommit=True) as administrator:
            ours_and_theirs = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s"
            administrator.execute(ours_and_theirs, [setup.settings.database_url.database])
        assert ours.take() >= before + AFTER_A_LOSS > given
        assert setup.database.losses > 0
        leased = counter(setup)
        assert lease_of_the_next_block(ours) == leased, "a loss counts once"
    finally:
        another.dispose()


def lease_of_the_next_block(indices: StatusIndices) -> int:
    """The first index of the block after the present one."""
    for _ in range(BLOCK - 1):
        indices.take()
    return min(indices.take() for _ in range(BLOCK))


def test_processes_that_find_it_together_agree(setup: Setup):
    prepare = """
from flask import Flask
from authserver.database.engine import open_database
from authserver.database.status_indices import StatusIndices
database = open_database(Flask("process"), settings)
indices = StatusIndices(database)
indices.take()
"""
    act = """
from sqlalchemy import text
with database.autocommit() as connection:
    connection.execute(text("UPDATE status_counter SET next_index = 0 WHERE next_index < 1000000"))
indices.check()
print(*(indices.take() for _ in range(1500)))
"""
    printed = processes_at_once(prepare, act, count=4, settings=setup.settings)
    taken = [int(index) for output in printed for index in output.splitlines()[-1].split()]
    assert len(set(taken)) == len(taken) == 6000


@on_postgresql
def test_a_backup_is_restored_under_a_running_node_and_every_sign_in_succeeds(setup: Setup, person: Person):
    assert setup.postgres is not None
    url = setup.settings.database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    server = ForkedServer(setup, workers=1).start()
    try:
        with server.http() as http:
            app = OAuth(http, setup.an_app())
            backup = setup.postgres.dump(url)
            lost = {token_answer(app.sign_in(person)).claims["status"]["status_list"]["idx"] for _ in range(SIGN_INS)}
            restore(setup, url, backup)
            found = [app.sign_in(person) for _ in range(SIGN_INS)]
            assert [answer.status_code for answer in found] == [200] * SIGN_INS
            given = {token_answer(answer).claims["status"]["status_list"]["idx"] for answer in found}
            assert len(given) == SIGN_INS
            assert not given & lost, "tokens of the lost sessions are valid for minutes"
            until(lambda: counter(setup) > MARGIN)  # the node has noticed that its lease is lost, too
    finally:
        server.stop()
    assert "Traceback" not in server.log.read_text()


def restore(setup: Setup, url: str, backup: bytes) -> None:
    """Put a backup in the place of the database, as pg_restore does. Returns when it is there."""
    assert setup.postgres is not None
    name = urlsplit(url).path.lstrip("/")
    setup.database.dispose()
    with psycopg.connect(setup.postgres.admin_url, autocommit=True) as administrator:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
        administrator.execute(f"CREATE DATABASE restored_{name} OWNER authserver ENCODING 'UTF8' TEMPLATE template0")
        place = url.replace(f"/{name}", f"/restored_{name}")
        psql = [setup.postgres.program("psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", place]
        subprocess.run(psql, input=backup, check=True, capture_output=True)
        administrator.execute(f"ALTER DATABASE restored_{name} RENAME TO {name}")
