"""A change of user or client during a sign-in wins, even if the hashing takes long.

The hasher is blocked while the change is made, so each round is the worst case of the race.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import argon2
import httpx
import pytest

from authserver.administration import clients as admin_clients
from authserver.administration import users as admin_users
from authserver.administration.context import Administration
from authserver.app import create_app
from authserver.refusals.reasons import Reason
from authserver.settings.values import ServerSettings
from tests.support.databases import on_both_databases
from tests.support.hasher import blocked_hasher, make_patient, pool_of, until
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import CHEAP, Setup
from tests.support.token_answer import reason, token_answer

pytestmark = on_both_databases

#: Together 100 sign-ins.
ROUNDS, PEOPLE = 4, 25


@dataclass
class Node:
    """A server in this process with room for PEOPLE sign-ins, and administrators beside it."""

    setup: Setup
    app: Any
    oauth: OAuth
    threads: ThreadPoolExecutor

    def people(self, count: int) -> list[Person]:
        return [
            self.setup.a_person(password="correct horse", roles="editor", password_hash=self.hashed)
            for _ in range(count)
        ]

    @property
    def admin(self) -> Administration:
        """A new one at each call, because each is used by one thread."""
        return Administration(self.setup.database, self.setup.settings, "cli:test")

    @property
    def hashed(self) -> str:
        return self.setup.hasher.hash("correct horse")

    def sign_in_during(self, change: Callable[[Person], object], people: list[Person]) -> list[httpx.Response]:
        """Let all people sign in at once, and change each of them when every password waits to be hashed."""
        with blocked_hasher(self.setup):
            answers = [self.threads.submit(self.oauth.sign_in, person) for person in people]
            until(lambda: pool_of(self.app).waiting == len(people))
            for person in people:
                change(person)
        return [answer.result() for answer in answers]


@pytest.fixture
def node(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    setup.sql("UPDATE scopes SET roles = 'editor' WHERE scope = 'write'")
    settings = setup.with_settings(
        passwords=CHEAP.model_copy(update={"hashing_queue": PEOPLE}), server=ServerSettings(threads=PEOPLE + 8)
    )
    app = create_app(settings)
    make_patient(app)
    transport = httpx.WSGITransport(app, raise_app_exceptions=False)
    with (
        httpx.Client(transport=transport, base_url=settings.issuer) as http,
        ThreadPoolExecutor(PEOPLE) as threads,
    ):
        oauth = OAuth(http, setup.an_app())
        yield Node(setup, app, oauth, threads)
    app.extensions["authserver"].database.dispose()


def with_roles(*roles: str) -> Callable[[admin_users.Profile], admin_users.Profile]:
    return lambda profile: admin_users.Profile(profile.username, profile.email, frozenset(roles))


def live_sessions(setup: Setup) -> list[Any]:
    return setup.sql("SELECT * FROM sessions WHERE revoked_at IS NULL")


# --- during the hashing ----------------------------------------------------------------------------------------------


def test_without_a_change_every_one_of_the_crowd_gets_in(node: Node):
    answers = node.sign_in_during(lambda _: None, node.people(PEOPLE))
    assert {token_answer(answer).body["scope"] for answer in answers} == {"read write"}


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (
            lambda admin, person: admin_users.set_password(admin, person.username, "a new password"),
            Reason.PASSWORD_CHANGED,
        ),
        # The new password is the same text. The sign-in verified the old one, whose holder may have been shut out.
        (
            lambda admin, person: admin_users.set_password(admin, person.username, person.password),
            Reason.PASSWORD_CHANGED,
        ),
        (lambda admin, person: admin_users.disable(admin, person.username), Reason.USER_DISABLED),
        (lambda admin, person: admin_users.remove(admin, person.username), Reason.USER_DISABLED),
    ],
    ids=["password", "same password", "disabled", "removed"],
)
def test_what_shuts_a_user_out_during_the_hashing_wins_100_times_of_100(
    node: Node, change: Callable[[Administration, Person], object], because: Reason
):
    for _ in range(ROUNDS):
        for answer in node.sign_in_during(lambda person: change(node.admin, person), node.people(PEOPLE)):
            assert refused_as(answer, "invalid_grant")
            assert reason(node.setup, answer) is because
    assert live_sessions(node.setup) == []
    assert len(node.setup.events("session.opened")) == 0


def test_a_password_changed_during_the_hashing_is_not_brought_back_by_a_rehash(node: Node):
    outdated = argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("correct horse")
    people = [node.setup.a_person(password="correct horse", password_hash=outdated) for _ in range(PEOPLE)]
    answers = node.sign_in_during(
        lambda person: admin_users.set_password(node.admin, person.username, "a new password"), people
    )
    assert {reason(node.setup, answer) for answer in answers} == {Reason.PASSWORD_CHANGED}
    changed = [replace(person, password="a new password") for person in people]
    assert {node.oauth.sign_in(person).status_code for person in changed} == {200}


def test_a_role_lost_during_the_hashing_is_in_no_token_100_times_of_100(node: Node):
    for _ in range(ROUNDS):
        lose = node.sign_in_during(
            lambda person: admin_users.edit(node.admin, person.username, with_roles()), node.people(PEOPLE)
        )
        for token in map(token_answer, lose):
            assert token.body["scope"] == "read"
            assert "roles" not in token.claims
    assert {(row.scopes, row.roles) for row in live_sessions(node.setup)} == {("read", "")}


def test_a_role_gained_during_the_hashing_counts_too(node: Node):
    people = node.people(PEOPLE)
    for person in people:
        admin_users.edit(node.admin, person.username, with_roles())
    gained = node.sign_in_during(
        lambda person: admin_users.edit(node.admin, person.username, with_roles("editor")), people
    )
    assert {token_answer(answer).body["scope"] for answer in gained} == {"read write"}


def test_a_client_disabled_during_the_hashing_gets_no_session(node: Node):
    done = threading.Event()

    def disable_once(_: Person) -> None:
        if not done.is_set():
            admin_clients.disable(node.admin, node.oauth.app.client_id)
            done.set()

    answers = node.sign_in_during(disable_once, node.people(PEOPLE))
    assert {reason(node.setup, answer) for answer in answers} == {Reason.CLIENT_DISABLED}
    assert live_sessions(node.setup) == []


# --- at the lock itself ----------------------------------------------------------------------------------------------

_PAIRS = 7  # together with the lock's holder they take every connection of an administrator's pool


def race(node: Node, change: Callable[[Person], object], people: list[Person]) -> list[Future[httpx.Response]]:
    """Let the sign-in and the change of each person wait for the same lock, and release it. Either may be first."""
    engine = node.app.extensions["authserver"].database.engine
    # The first sign-in of a node leases status indices. The others would wait for that write, at another place.
    node.oauth.revoke(token_answer(node.oauth.sign_in(node.setup.a_person())).refresh_token)
    with ThreadPoolExecutor(len(people)) as changers, node.setup.database.transaction() as connection:
        if node.setup.kind == "postgresql":
            connection.exec_driver_sql("SELECT id FROM users FOR UPDATE")
        answers, changes = [], []
        for person in people:
            answers.append(node.threads.submit(node.oauth.sign_in, person))
            changes.append(changers.submit(change, person))
        if node.setup.kind == "postgresql":
            until(lambda: locks(node) == 2 * len(people))
        else:
            # The transaction has SQLite's only write lock: every other connection in use waits for it.
            until(lambda: engine.pool.checkedout() == len(people) == node.setup.database.engine.pool.checkedout() - 1)
    for done in changes:
        done.result()
    return answers


def locks(node: Node) -> int:
    """The number of waiting statements. The server's connections ask, because the administrator's are all taken."""
    with node.app.extensions["authserver"].database.autocommit() as connection:
        waiting = "datname = current_database() AND wait_event_type = 'Lock'"
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}").scalar_one())


@pytest.mark.parametrize(
    "change",
    [
        lambda admin, person: admin_users.set_password(admin, person.username, "a new password"),
        lambda admin, person: admin_users.disable(admin, person.username),
        lambda admin, person: admin_users.remove(admin, person.username),
    ],
    ids=["password", "disabled", "removed"],
)
def test_no_session_outlives_the_change_in_any_order_of_locks(
    node: Node, change: Callable[[Administration, Person], object]
):
    for _ in range(5):
        for answer in race(node, lambda person: change(node.admin, person), node.people(_PAIRS)):
            assert answer.result().status_code in (200, 400)
    assert live_sessions(node.setup) == []


def test_no_session_keeps_a_lost_role_in_any_order_of_locks(node: Node):
    for _ in range(5):
        lost = race(
            node, lambda person: admin_users.edit(node.admin, person.username, with_roles()), node.people(_PAIRS)
        )
        assert {answer.result().status_code for answer in lost} == {200}
    assert {(row.scopes, row.roles) for row in live_sessions(node.setup)} == {("read", "")}
    assert len(live_sessions(node.setup)) == 5 * _PAIRS
