"""How soon each act that ends tokens shows in refreshes, in introspection and at an API with our library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from authserver_resource import VerificationError, Verifier
from sqlalchemy import Connection

from authserver.clients import store as clients
from authserver.sessions import ending
from authserver.sessions.model import End
from authserver.users import store as users
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.server import LiveServer
from tests.support.setup import API, Setup, make_setup

TITLES = ["act", "refresh refused after, s", "introspection, s", "API with authserver_resource, s"]
_SECRET = "the-secret-of-the-api"
_GIVE_UP_SECONDS = 30.0


@dataclass
class Case:
    """One app, one user and their tokens."""

    setup: Setup
    oauth: OAuth
    person: Person
    access_token: str
    refresh_token: str | None

    @property
    def session_id(self) -> UUID:
        return UUID(claims(self.access_token)["sid"])

    def commit(self, work: Callable[[Connection], object]) -> None:
        self.setup.transaction(work)

    def disable_user(self, connection: Connection) -> None:
        user_id = UUID(self.person.id)
        users.change(connection, user_id, {"enabled": False})
        ending.end_sessions_of_user(connection, user_id, End.USER_DISABLED, actor="benchmark")

    def reuse(self) -> None:
        assert self.refresh_token is not None
        self.oauth.refresh(self.refresh_token)
        self.setup.back_date(str(self.session_id), 31)
        assert self.oauth.refresh(self.refresh_token).status_code == 400


ACTS: dict[str, Callable[[Case], object]] = {
    "/revoke with a refresh token": lambda case: case.oauth.revoke(str(case.refresh_token)),
    "/revoke with a user's access token": lambda case: case.oauth.revoke(case.access_token),
    "/revoke with a client's own token": lambda case: case.oauth.revoke(case.access_token),
    "an administrator ends the session": lambda case: case.commit(
        lambda c: ending.end_session(c, case.session_id, End.ENDED_BY_ADMINISTRATOR, actor="benchmark")
    ),
    "the user is disabled": lambda case: case.commit(case.disable_user),
    "the client is disabled": lambda case: case.commit(
        lambda c: clients.end_epoch(c, case.oauth.app.client_id, enabled=False)
    ),
    "a refresh token is used twice": lambda case: case.reuse(),
}


def measure() -> Iterator[list[str]]:
    """Yield a row for each act, with the default `ttl` of 8 seconds."""
    with TemporaryDirectory(prefix="authserver-bench-") as directory:
        setup = make_setup("sqlite", Path(directory))
        setup.an_api()
        setup.an_app(client_id="the-api", secret=_SECRET, grants={"client_credentials"}, scopes=set())
        setup.sql("UPDATE apis SET client_id = 'the-api' WHERE audience = :audience", audience=API)
        server = LiveServer(setup).start()
        try:
            with server.http() as http:
                api = OAuth(http, App("the-api", _SECRET))
                for name, act in ACTS.items():
                    case = _case(setup, OAuth(http, setup.an_app(retry_window=30)), own="own token" in name)
                    yield [name, *_delays(server.url, api, case, act)]
        finally:
            server.stop()
            setup.close()


def _case(setup: Setup, oauth: OAuth, *, own: bool) -> Case:
    person = setup.a_person()
    answer = (oauth.own_token() if own else oauth.sign_in(person)).json()
    return Case(setup, oauth, person, answer["access_token"], answer.get("refresh_token"))


def _delays(issuer: str, api: OAuth, case: Case, act: Callable[[Case], object]) -> Iterator[str]:
    verifier = Verifier(issuer, API)
    verifier.verify(case.access_token)
    assert api.post("/introspect", {"token": case.access_token}).json()["active"]
    act(case)
    ended = time.monotonic()
    waiting: dict[str, Callable[[], bool]] = {
        "introspection": lambda: not api.post("/introspect", {"token": case.access_token}).json()["active"],
        "library": lambda: _is_refused(verifier, case.access_token),
    }
    if case.refresh_token is not None:
        waiting["refresh"] = lambda: case.oauth.refresh(str(case.refresh_token)).status_code in (400, 401)
    delays: dict[str, str] = {"refresh": "it has none"}
    while waiting:
        for name, is_over in list(waiting.items()):
            if is_over():
                delays[name] = f"{time.monotonic() - ended:.2f}"
                del waiting[name]
        if time.monotonic() - ended > _GIVE_UP_SECONDS:
            raise SystemExit(f"benchmarks: still good after {_GIVE_UP_SECONDS} s: {', '.join(waiting)}")
        time.sleep(0.01)
    return iter((delays["refresh"], delays["introspection"], delays["library"]))


def _is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except VerificationError:
        return True
    return False
