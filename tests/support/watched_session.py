"""A session of a live server, watched: each step's answers, row and audit record are compared with the model."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any
from uuid import UUID

import httpx

from authserver.sessions import recovery
from tests.support.oauth import OAuth, Person, claims
from tests.support.session_model import Answer, ModelSession, Policy, Verdict
from tests.support.setup import Setup

#: The most requests that may be sent at once, because every order of them is tried.
AT_ONCE = 4
#: More scopes than the app of the tests may have.
TOO_MUCH = "write admin"
#: Why the server's sweep ends sessions.
SWEPT = "client_ended"


@dataclass(frozen=True)
class Request:
    """One request of a step."""

    token: str
    scope: str | None = None
    revokes: bool = False


@dataclass(frozen=True)
class Backup:
    """A copy of the session's row and of its model, at the same moment."""

    row: dict[str, Any]
    session: ModelSession
    taken_at: float


class WatchedSession:
    """A session since its sign-in. Its clock is the test's own: time passes when the test makes the row older."""

    def __init__(self, setup: Setup, oauth: OAuth, person: Person, policy: Policy, threads: ThreadPoolExecutor) -> None:
        self.setup = setup
        self.oauth = oauth
        self.policy = policy
        self.clock = 0.0
        self.client_enabled = True
        self.in_order = True  # nothing contradicted the model so far
        self._threads = threads
        signed_in = oauth.sign_in(person).json()
        self.id: str = claims(signed_in["access_token"])["sid"]
        self.known: list[str] = [signed_in["refresh_token"]]
        self.model = ModelSession(current=self.known[0], used_at=0.0)

    @property
    def row(self) -> Any:
        """The session's row, as it is now.

        If the epoch of the session's client is over, the server's own sweep may end the session at any moment: the
        model then takes over that end.
        """
        row = self.setup.session(self.id)
        if self.model.dead and row.revoked_because == SWEPT:
            self.model = self.model.end(SWEPT)
        return row

    def is_as(self, before: Any) -> bool:
        """Whether the row is as it was, but for an end that the sweep may have written meanwhile."""
        now, swept = self.row, {}
        if self.model.dead and not before.revoked_because and now.revoked_because == SWEPT:
            swept = {"revoked_at": now.revoked_at, "revoked_because": SWEPT}
        return dict(now._mapping) == {**before._mapping, **swept}

    def token(self, which: int) -> str:
        """One of the refresh tokens that were sent so far, by any number."""
        return self.known[which % len(self.known)]

    def send(self, *requests: Request) -> list[Answer]:
        """Send requests at the same time. At least one order of them must explain the answers and the row."""
        before = self.row
        answers = self._send_at_once(requests)
        after = self.row
        orders = dict.fromkeys(permutations(zip(requests, answers, strict=True)))
        explained = [model for order in orders if (model := self._replay(order)) and not model.differences(after)]
        if not explained:
            alone = [self.model.refresh(request.token, self.policy, self.clock)[0].name for request in requests]
            self.check(False, f"no order explains {answers}; alone had to be {alone};\n{before} became\n{after}")
        model = explained[0]
        if model == self.model and not any(answer.status == 200 for answer in answers):
            self.check(self.is_as(before), "a refusal that concerns nothing in the row changed it")
        if model.generation == self.model.generation:
            self.check(after.rotated_at == before.rotated_at, "a retry moved the window")
        self.model = model
        sent = dict.fromkeys(answer.refresh_token for answer in answers if answer.refresh_token)
        self.known += [token for token in sent if token not in self.known]
        self.compare()
        return answers

    def compare(self) -> None:
        """Compare the row and the audit record with the model."""
        row = self.row
        differences = self.model.differences(row)
        self.check(not differences, f"model and row differ: {differences}")
        events = self.setup.sql("SELECT event FROM audit_events WHERE session_id = :id", id=UUID(self.id))
        names = [event for (event,) in events]
        noticed = tuple(names.count(f"session.{name}") for name in ("reuse", "late_retry", "adopted"))
        expected = (self.model.reuses_recorded, self.model.late_retries_recorded, self.model.adoptions_recorded)
        self.check(noticed == expected, f"reuses, late retries, adoptions in the record: {noticed}, not {expected}")

    def declare(self, *, recovering: bool) -> None:
        """Begin a recovery, or end the one that is on. It is for all sessions of the database."""
        with self.setup.database.transaction() as connection:
            if recovering:
                recovery.declare(connection, 3600)
            else:
                recovery.end(connection)
        self.model = replace(self.model, recovering=recovering)

    def end(self, why: str, *, of_its_epoch: bool = False) -> None:
        """Tell the model that the session was ended without a request, and compare."""
        self.model = replace(self.model.end(why), dead=self.model.dead or of_its_epoch)
        self.compare()

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        self._age(seconds)

    def fall_silent(self, seconds: float) -> None:
        """Let time pass in which no worker can write. Windows do not pass, so neither does the model's clock.

        A worker knows of it after its next beat.
        """
        self._age(seconds)
        self.setup.sql("UPDATE leases SET until = until - :ms WHERE name = 'heartbeat'", ms=int(seconds * 1000))

    def _age(self, seconds: float) -> None:
        """Make the session older, and the silences before."""
        self.setup.back_date(self.id, seconds)
        for (name,) in self.setup.sql("SELECT name FROM leases WHERE name LIKE 'heartbeat %'"):
            ms = int(seconds * 1000)
            earlier = f"heartbeat {int(name.partition(' ')[2]) - ms}"
            self.setup.sql(
                "UPDATE leases SET name = :to, until = until - :ms WHERE name = :of", of=name, to=earlier, ms=ms
            )

    def backup(self) -> Backup:
        return Backup(dict(self.row._mapping), self.model, self.clock)

    def restore(self, backup: Backup) -> None:
        """Put the row back, and make it older by the time since the backup. The audit record stays."""
        columns = ", ".join(f"{name} = :{name}" for name in backup.row if name != "id")
        self.setup.sql(f"UPDATE sessions SET {columns} WHERE id = :id", **backup.row)
        self.setup.back_date(self.id, self.clock - backup.taken_at)
        self.model = replace(
            backup.session,
            reuses_recorded=self.model.reuses_recorded,
            late_retries_recorded=self.model.late_retries_recorded,
            adoptions_recorded=self.model.adoptions_recorded,
            recovering=self.model.recovering,
        )

    def look_for_two_live_tokens(self) -> None:
        """Present each known token to the same state of the session: now, and after the window.

        At most one token may move the session. If late retries are allowed, the predecessor of a lost token may also
        move it. When one of the two has moved the session, the other must be refused.
        """
        for seconds in (0, self.policy.window + 1):
            self.pass_time(seconds)
            start = self.backup()
            moved = {token: after for token in tuple(self.known) if (after := self._moved_by(token, start))}
            self.check(len(moved) <= 1 + (self.policy.late_retries > 0), "two live refresh tokens")
            for token, after in moved.items():
                for other in moved.keys() - {token}:
                    self.restore(after)
                    self.pass_time(self.policy.window + 1)
                    (answer,) = self.send(Request(other))
                    self.check(answer.error == "invalid_grant", "two live refresh tokens")
            self.restore(start)

    def check(self, holds: bool, why: str) -> None:  # noqa: FBT001 - reads as an assertion
        """Assert, and remember that the model no longer fits."""
        if not holds:
            self.in_order = False
            raise AssertionError(why)

    def _moved_by(self, token: str, start: Backup) -> Backup | None:
        """The session after this token, if the token moved it. The row itself is put back to the start."""
        before = len(self.known)
        self.send(Request(token))
        after = self.backup() if len(self.known) > before else None
        self.restore(start)
        return after

    def _send_at_once(self, requests: tuple[Request, ...]) -> list[Answer]:
        assert len(requests) <= AT_ONCE
        start = threading.Barrier(len(requests))

        def send(request: Request) -> Answer:
            start.wait()
            if request.revokes:
                return _answer(self.oauth.revoke(request.token))
            return _answer(self.oauth.refresh(request.token, **{"scope": request.scope} if request.scope else {}))

        return list(self._threads.map(send, requests))

    def _replay(self, order: Iterable[tuple[Request, Answer]]) -> ModelSession | None:
        model: ModelSession | None = self.model
        for request, answer in order:
            if model is not None:
                model = self._follow(model, request, answer)
        return model

    def _follow(self, model: ModelSession, request: Request, answer: Answer) -> ModelSession | None:
        if not self.client_enabled:
            return model if answer.error == "invalid_client" else None
        if request.revokes:
            return model.end("signed_out") if answer.status == 200 else None
        verdict, _ = model.refresh(request.token, self.policy, self.clock)
        if request.scope == TOO_MUCH and verdict in {Verdict.SUCCESSOR, Verdict.CURRENT, Verdict.ADOPTED}:
            # The scope is refused, and the token stays usable.
            return model if answer.error == "invalid_scope" else None
        return model.answered(request.token, answer, set(self.known), self.policy, self.clock)


def _answer(response: httpx.Response) -> Answer:
    body = response.json() if response.content else {}
    waiting = int(response.headers.get("retry-after", 0)) > 0
    return Answer(response.status_code, body.get("error"), body.get("refresh_token"), waiting)
