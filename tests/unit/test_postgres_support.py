"""The throw-away PostgreSQL of the other tests is real, separate and durable, and is removed afterwards."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Cluster, Postgres, postgres_or_skip

pytestmark = pytest.mark.postgresql

ROOT = Path(__file__).parents[2]


@pytest.fixture
def postgres() -> Postgres:
    return postgres_or_skip()


def _run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def test_each_database_starts_empty(postgres: Postgres) -> None:
    first, second = postgres.create_database(), postgres.create_database()
    _run(first, "CREATE TABLE things (name text)")
    assert _run(second, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'things'") == [(0,)]


def test_a_template_is_prepared_once_and_copied(postgres: Postgres) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        _run(url, "CREATE TABLE things AS SELECT 'one' AS name")

    copies = [postgres.create_database_like("things", prepare) for _ in range(2)]
    _run(copies[0], "DELETE FROM things")
    assert _run(copies[1], "SELECT name FROM things") == [("one",)]
    assert len(prepared) == 1


def test_a_dump_holds_what_was_written(postgres: Postgres) -> None:
    url = postgres.create_database()
    _run(url, "CREATE TABLE things AS SELECT 'to be found' AS name")
    assert b"to be found" in postgres.dump(url)


def test_durability_is_as_in_production(postgres: Postgres) -> None:
    assert _run(postgres.create_database(), "SHOW fsync") == [("on",)]


def test_a_crashed_cluster_keeps_what_was_committed(postgres: Postgres) -> None:
    if not isinstance(postgres, Cluster):
        pytest.skip("a server named by TESTS_POSTGRES is not ours to crash")
    url = postgres.create_database()
    _run(url, "CREATE TABLE things AS SELECT 'committed' AS name")
    postgres.stop("immediate")
    postgres.start()
    assert _run(url, "SELECT name FROM things") == [("committed",)]


def test_a_killed_test_run_leaves_no_cluster_behind(postgres: Postgres) -> None:
    if not isinstance(postgres, Cluster):
        pytest.skip("a server named by TESTS_POSTGRES is not removed")
    code = (
        "import os, signal, sys; from tests.support.postgres import postgres_or_skip;"
        "cluster = postgres_or_skip();"
        "print(cluster.directory, cluster._keeper.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The pipe ends with the last process that holds it, so communicate() waits for the keeper too.
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    directory = Path(killed.stdout.split()[0])
    assert killed.returncode == -9, killed.stderr
    assert not directory.exists()
