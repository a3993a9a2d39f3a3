"""A client and a user with its id as subject are added at the same time: one of them is refused, and never both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from authserver.administration.context import Administration
from authserver.users.subjects import store
from tests.support.admin_api import a_program
from tests.support.at_once import processes_at_once, threads_at_once
from tests.support.databases import on_both_databases, on_postgresql
from tests.support.hasher import until, waiting_for_locks
from tests.support.importing import import_text
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.subjects import add_user, register

pytestmark = on_both_databases
_ROUNDS = 12


def an_admin(setup: Setup) -> Administration:
    """One for each thread: an administration is used by one."""
    return Administration(setup.database, setup.settings, "cli:tester")


def added(setup: Setup, name: str) -> list[int]:
    """How many users have the subject, and how many clients the id."""
    users = setup.sql("SELECT count(*) AS n FROM users WHERE subject = :name", name=name)
    clients = setup.sql("SELECT count(*) AS n FROM clients WHERE client_id = :name", name=name)
    return [users[0].n, clients[0].n]


@on_postgresql
@pytest.mark.parametrize("first", [add_user, register])
def test_the_second_waits_for_the_first_and_is_refused(setup: Setup, first: Callable[[Administration, str], str]):
    second = register if first is add_user else add_user
    admin = an_admin(setup)
    with ThreadPoolExecutor(1) as pool:
        with admin.transaction():
            assert first(admin, "shop") != "refused"
            other = pool.submit(second, an_admin(setup), "shop")
            until(lambda: waiting_for_locks(setup) == 1)
        assert other.result() == "refused"
    assert sum(added(setup, "shop")) == 1


@on_postgresql
def test_users_with_subjects_do_not_wait_for_each_other(setup: Setup):
    admin = an_admin(setup)
    with ThreadPoolExecutor(1) as pool, admin.transaction():
        assert add_user(admin, "anna") == "user"
        assert pool.submit(add_user, an_admin(setup), "bea").result() == "user"


@on_postgresql
def test_users_without_a_subject_wait_for_no_client(setup: Setup):
    with setup.database.transaction() as connection:
        store.keep_subjects_out(connection)
        assert import_text(an_admin(setup), "username\nanna\n")[0].added == 1


def test_threads_that_add_both_get_one(setup: Setup):
    for number in range(_ROUNDS):
        name = f"shop-{number}"
        acts = [partial(act, an_admin(setup), name) for act in (add_user, register) * 3]
        done = threads_at_once(*acts)
        assert len(done) - done.count("refused") == 1, done
        assert sum(added(setup, name)) == 1


def test_processes_that_add_both_get_one(setup: Setup):
    prepare = """
import os
from flask import Flask
from authserver.administration.context import Administration
from authserver.database.engine import open_database
from tests.support.subjects import add_user, register
admin = Administration(open_database(Flask("race"), settings), settings, "cli:tester")
first, second = (add_user, register) if os.getpid() % 2 else (register, add_user)
"""
    act = f"""
for number in range({_ROUNDS}):
    first(admin, f"shop-{{number}}")
    second(admin, f"shop-{{number}}")
"""
    processes_at_once(prepare, act, count=4, settings=setup.settings)
    assert [sum(added(setup, f"shop-{number}")) for number in range(_ROUNDS)] == [1] * _ROUNDS


def test_an_import_loses_to_clients_or_they_to_it(setup: Setup):
    names = [f"shop-{number}" for number in range(100)]
    text = "username,subject\n" + "".join(f"user-{name},{name}\n" for name in names)
    began = threading.Event()

    def registering() -> list[str]:
        began.set()
        return [register(an_admin(setup), name) for name in names]

    with ThreadPoolExecutor(1) as pool:
        registered = pool.submit(registering)
        assert began.wait(60)
        tally, problems = import_text(an_admin(setup), text, batch=10)
        clients = registered.result()
    assert tally.added + clients.count("client") == len(names)
    assert {problem.field for problem in problems} <= {"subject"}
    assert [sum(added(setup, name)) for name in names] == [1] * len(names)


def test_a_live_server_that_is_asked_for_both_adds_one(live: LiveServer, setup: Setup):
    with live.http() as http:
        api = a_program(setup, http)
        client = {"kind": "service", "client_name": "Shop", "scope": "read"}
        for number in range(_ROUNDS):
            name = f"shop-{number}"
            answers = threads_at_once(
                partial(api.post, "/users", {"username": f"user-{number}", "subject": name}),
                partial(api.post, "/clients", {**client, "client_id": name}),
            )
            assert sorted(answer.status_code for answer in answers) == [201, 409], [one.text for one in answers]
            assert sum(added(setup, name)) == 1
