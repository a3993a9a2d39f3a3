"""Parallel administration: no change is lost silently, and a repeated creation creates once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle

import httpx
import pytest

from tests.support.admin_api import AdminApi, a_program, refused
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup

pytestmark = on_both_databases

_REPETITIONS = 200
_THREADS = 25


@pytest.fixture
def servers(setup: Setup) -> Iterator[list[LiveServer]]:
    """Two live servers of two workers each, on one database. They have the same issuer, so both accept the tokens."""
    first = ForkedServer(setup)
    second = ForkedServer(setup, AUTHSERVER_ISSUER=first.url)
    started = [first.start(), second.start()]
    yield started
    for server in started:
        server.stop()


Programs = Callable[[list[LiveServer], int], list[AdminApi]]


@pytest.fixture
def programs(setup: Setup) -> Iterator[Programs]:
    """One program with so many connections, to the two servers in turn."""
    with ExitStack() as opened:

        def connect(servers: list[LiveServer], count: int) -> list[AdminApi]:
            https = [
                opened.enter_context(server.http()) for server, _ in zip(cycle(servers), range(count), strict=False)
            ]
            token = a_program(setup, https[0]).token
            return [AdminApi(http, token) for http in https]

        yield connect


@pytest.mark.slow
def test_two_hundred_registrations_with_one_key_make_one_client_and_all_get_its_secret(
    setup: Setup, servers: list[LiveServer], programs: Programs
):
    apis = programs(servers, _THREADS)
    together = threading.Barrier(_THREADS)
    key = secrets.token_hex(16)
    body = {"kind": "service", "client_name": "Once", "scope": "read"}

    def register(api: AdminApi) -> list[httpx.Response]:
        together.wait()
        return [patiently(api, body, key) for _ in range(_REPETITIONS // _THREADS)]

    with ThreadPoolExecutor(_THREADS) as pool:
        responses = [response for several in pool.map(register, apis) for response in several]
    assert len(responses) == _REPETITIONS
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert len({response.headers["etag"] for response in responses}) == 1
    assert [row.n for row in setup.sql("SELECT count(*) AS n FROM clients WHERE name = 'Once'")] == [1]
    assert len([event for event in setup.events("client.added") if event.actor.startswith("client:")]) == 1
    made = responses[0].json()
    with servers[1].http() as http:
        assert OAuth(http, App(made["client_id"], made["client_secret"])).own_token().status_code == 200


def patiently(api: AdminApi, body: dict[str, str], key: str) -> httpx.Response:
    """Repeat a request while the server answers that it is busy."""
    while True:
        response = api.post("/clients", body, key=key)
        if response.status_code != 503:
            return response
        assert response.headers["retry-after"]


def test_of_two_administrators_who_edit_one_client_the_second_is_told(
    setup: Setup, live: LiveServer, programs: Programs
):
    client_id = setup.an_app().client_id
    writers = programs([live], 8)
    together = threading.Barrier(len(writers))
    seen = writers[0].get(f"/clients/{client_id}").headers["etag"]

    def edit(number: int) -> httpx.Response:
        together.wait()
        return writers[number].patch(f"/clients/{client_id}", {"client_name": f"By {number}"}, etag=seen)

    with ThreadPoolExecutor(len(writers)) as pool:
        responses = list(pool.map(edit, range(len(writers))))
    done = [response for response in responses if response.status_code == 200]
    assert len(done) == 1
    assert all(refused(response, 412, "changed-meanwhile") for response in responses if response is not done[0])
    assert writers[0].get(f"/clients/{client_id}").json()["client_name"] == done[0].json()["client_name"]


@pytest.mark.parametrize("what", ["client", "api", "user"])
def test_no_change_is_lost_when_everybody_reads_again_and_tries_again(
    what: str, setup: Setup, live: LiveServer, programs: Programs
):
    writers = programs([live], 6)
    path, member = {
        "client": (f"/clients/{setup.an_app(contacts=frozenset()).client_id}", "contacts"),
        "api": (f"/apis/{writers[0].post('/apis', {'audience': 'urn:shared'}).json()['id']}", "scopes"),
        "user": (f"/users/{setup.a_person().id}", "roles"),
    }[what]
    together = threading.Barrier(len(writers))

    def add(number: int) -> int:
        together.wait()
        attempts = 0
        while True:
            attempts += 1
            response = writers[number].get(path)
            present = response.json()[member]
            mine = f"member-{number}@example.com" if what == "client" else f"member-{number}"
            after = {**present, mine: []} if isinstance(present, dict) else [*present, mine]
            changed = writers[number].patch(path, {member: after}, etag=response.headers["etag"])
            if changed.status_code == 200:
                return attempts
            assert changed.status_code in (412, 503), changed.text

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(add, range(len(writers))))
    assert len(writers[0].get(path).json()[member]) == len(writers)
