"""Rotation against a model, step by step, over HTTP: any events of a session, in any order.

An honest phone, a thief, an administrator and a failing network act on a session of a live server. After each step
the answers, the row and the audit record are compared with the model. Three promises are also checked:

- the phone is never refused unless another party gave a reason (`owed`);
- a token that is neither current nor within the retry rules ends the session, and the audit record says so;
- there are never two live refresh tokens: each known token is presented to the same state of the session.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from authserver.administration import clients, users
from authserver.administration.context import Administration
from tests.support.databases import on_both_databases
from tests.support.oauth import OAuth
from tests.support.server import ForkedServer, LiveServer
from tests.support.session_model import Policy
from tests.support.setup import Setup
from tests.support.watched_session import AT_ONCE, SWEPT, TOO_MUCH, Backup, Request, WatchedSession

pytestmark = on_both_databases

DEFAULT_WINDOW = 30
WHICH = st.integers(0, 31)  # an index into any list: the draw must not depend on how a race went


class SharedServer:
    """The server and database that all examples share."""

    def __init__(self, server: LiveServer) -> None:
        self.setup: Setup = server.setup
        self.admin = Administration(self.setup.database, self.setup.settings, "test")
        # Every request on a connection of its own, so that both workers get their share.
        self.http = server.http(limits=httpx.Limits(max_keepalive_connections=0))
        self.threads = ThreadPoolExecutor(AT_ONCE)


class RotationMachine(RuleBasedStateMachine):
    """One example: one session, its phone, and their events."""

    def __init__(self, shared: SharedServer) -> None:
        super().__init__()
        self.shared = shared
        self.delayed: list[tuple[str, float]] = []  # requests of the phone under way: token, sent at
        self.backups: list[Backup] = []
        self.went_back = False
        self.watched: WatchedSession | None = None

    @initialize(window=st.sampled_from([None, None, 0]), late=st.integers(0, 2), honest=st.booleans())
    def sign_in(self, *, window: int | None, late: int, honest: bool) -> None:
        setup = self.shared.setup
        self.policy = Policy(DEFAULT_WINDOW if window is None else window, late)
        self.honest = honest  # in these examples no party gives a reason to refuse the phone
        self.owed = True
        self.oauth = OAuth(self.shared.http, setup.an_app(public=True, retry_window=window, late_retries=late))
        self.stranger = OAuth(self.shared.http, setup.an_app(public=True))
        self.person = setup.a_person()
        self.watched = self.session = WatchedSession(setup, self.oauth, self.person, self.policy, self.shared.threads)
        self.session.declare(recovering=False)  # of the example before
        self.held = self.session.token(0)
        self.lost_at: float | None = None
        self.overslept = 0

    # --- the phone ----------------------------------------------------------------------------------------------------

    @rule(lost=st.booleans(), scope=st.sampled_from([None, None, "read", TOO_MUCH]))
    def refresh(self, *, lost: bool, scope: str | None) -> None:
        """If the last answer was lost, this is its retry."""
        self._phone_sends(self.held, lost=lost, scope=scope)

    @rule(count=st.integers(2, AT_ONCE), lost=st.booleans())
    def refresh_in_several_tabs_at_once(self, *, count: int, lost: bool) -> None:
        # An honest phone does not do it under strict single use.
        if self.policy.window or self._give_a_reason():
            self._phone_sends(self.held, lost=lost, times=count)

    @rule()
    def send_a_request_that_is_delayed(self) -> None:
        if self.policy.window:
            self.delayed.append((self.held, self.session.clock))
            self._begin_to_wait()

    @rule(which=WHICH, lost=st.booleans())
    def deliver_a_delayed_request(self, *, which: int, lost: bool) -> None:
        """Delayed requests may arrive in any order."""
        if self.delayed:
            token, _ = self.delayed.pop(which % len(self.delayed))
            self._phone_sends(token, lost=lost)

    @rule(seconds=st.sampled_from([10, 10, 30, 40, 100_000]))
    def let_time_pass(self, *, seconds: float) -> None:
        """The phone repeats a request without an answer before the window ends."""
        if self.lost_at is not None and self.session.clock + seconds >= self.lost_at + self.policy.window:
            self._phone_sends(self.held)
        self._pass(seconds)

    @rule()
    def sleep_through_the_window(self) -> None:
        """The system kills the app in the middle of a request, and the user opens it much later."""
        if self.lost_at is not None:
            self._oversleep()
        self._pass(1000)

    def _phone_sends(self, token: str, *, lost: bool = False, times: int = 1, scope: str | None = None) -> None:
        self._begin_to_wait()
        answers = self.session.send(*[Request(token, scope)] * times)
        for answer in answers:
            served = answer.status == 200 or answer.error == "invalid_scope"
            kept_for_later = self.went_back and answer.status == 503 and not self.session.model.recovering
            holds = not self.owed or served or kept_for_later
            self.session.check(holds, f"a phone that behaves was refused: {answer}")
        if lost and self.policy.window == 0:
            self._oversleep()  # every retry is late now
        elif not lost and token == self.held:
            self.lost_at = None
            self.overslept = 0
            self.held = next((answer.refresh_token for answer in answers if answer.refresh_token), self.held)

    def _begin_to_wait(self) -> None:
        if self.lost_at is None:
            self.lost_at = self.session.clock

    def _oversleep(self) -> None:
        self.overslept += 1
        self.owed = self.owed and self.overslept <= self.policy.late_retries

    def _pass(self, seconds: float) -> None:
        """Let time pass. The network delays no request for a whole window: it arrives before, its answer is lost."""
        end = self.session.clock + seconds
        for token, sent_at in [late for late in self.delayed if end >= late[1] + self.policy.window]:
            self.delayed.remove((token, sent_at))
            self._phone_sends(token, lost=True)
        self.session.pass_time(seconds)

    # --- others -------------------------------------------------------------------------------------------------------

    @rule(which=WHICH)
    def a_thief_uses_a_stolen_token(self, *, which: int) -> None:
        if self._give_a_reason():
            self.session.send(Request(self.session.token(which)))

    @rule(whose=st.lists(WHICH, min_size=1, max_size=2), signs_out=st.booleans())
    def a_thief_races_the_phone(self, *, whose: list[int], signs_out: bool) -> None:
        if self._give_a_reason():
            stolen = [Request(self.session.token(which)) for which in whose]
            sign_out = [Request(self.held, revokes=True)] if signs_out else []
            answers = self.session.send(Request(self.held), *stolen, *sign_out)
            self.held = answers[0].refresh_token or self.held

    @rule(which=WHICH)
    def sign_out_with_any_token(self, *, which: int) -> None:
        if self._give_a_reason():
            self.session.send(Request(self.session.token(which), revokes=True))

    @rule(which=WHICH)
    def others_try_what_must_change_nothing(self, *, which: int) -> None:
        token, before = self.session.token(which), self.session.row
        altered = token[:-1] + ("A" if token[-1] != "A" else "B")
        for refused in (self.stranger.refresh(token), self.stranger.revoke(token), self.oauth.refresh(altered)):
            assert refused.status_code == 400, refused.text
        assert self.oauth.revoke(altered).status_code == (200 if self.session.client_enabled else 400)
        assert self.session.is_as(before)

    @rule()
    def disable_the_user_and_enable_again(self) -> None:
        if self._give_a_reason():
            users.disable(self.shared.admin, self.person.username)
            users.enable(self.shared.admin, self.person.username)
            self.backups.clear()  # a real restore would bring the user back as well
            self.session.end("user_disabled")

    @rule()
    def disable_or_enable_the_client(self) -> None:
        if not self._give_a_reason():
            return
        client_id, session = self.oauth.app.client_id, self.session
        session.client_enabled = not session.client_enabled
        if session.client_enabled:
            clients.enable(self.shared.admin, client_id)
            session.compare()
        else:
            clients.disable(self.shared.admin, client_id)
            self.backups = [replace(it, session=replace(it.session, dead=True)) for it in self.backups]
            session.end(SWEPT, of_its_epoch=True)

    @rule()
    def back_the_database_up(self) -> None:
        self.backups.append(self.session.backup())

    @rule(which=WHICH)
    def the_database_goes_back_in_time(self, *, which: int) -> None:
        """Requests under way are lost with their connections, and so are the backups after the restored one."""
        if self.backups:
            del self.backups[which % len(self.backups) + 1 :]
            self.delayed.clear()
            self.went_back = True
            self.session.restore(self.backups[-1])
            self.session.compare()

    @rule(rotations=st.integers(1, 3), lost=st.booleans(), recovering=st.booleans())
    def the_database_loses_its_last_writes(self, *, rotations: int, lost: bool, recovering: bool) -> None:
        """As in a failover. What the phone did meanwhile is gone from the row; its last answer may be lost as well."""
        self.back_the_database_up()
        for left in reversed(range(rotations)):
            self.let_time_pass(seconds=self.policy.window + 1)
            self._phone_sends(self.held, lost=lost and not left)
        self.the_database_goes_back_in_time(which=len(self.backups) - 1)
        self.session.declare(recovering=recovering)

    @rule(recovering=st.booleans())
    def an_operator_declares_a_recovery_or_ends_it(self, *, recovering: bool) -> None:
        if self.went_back:
            self.session.declare(recovering=recovering)

    def _give_a_reason(self) -> bool:
        """Whether this example has more than honest acts; if so, the phone may be refused from now on."""
        self.owed = self.owed and self.honest
        return not self.honest

    def teardown(self) -> None:
        if self.watched is None or not self.watched.in_order or not self.watched.client_enabled:
            return
        if self.owed:
            self._phone_sends(self.held)  # before the search makes time pass: its retry would be too late
        self.watched.declare(recovering=False)
        self.watched.look_for_two_live_tokens()
        if self.owed:
            self._phone_sends(self.held)


@pytest.fixture
def shared(setup: Setup) -> Iterator[SharedServer]:
    """A server that notices a disabled client at once. Other tests check how long that may take."""
    server = ForkedServer(setup, AUTHSERVER_CACHES__MAX_AGE="0.001").start()
    shared = SharedServer(server)
    yield shared
    shared.threads.shutdown()
    shared.http.close()
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a failure takes minutes to be shrunk
def test_a_server_answers_as_the_model_does_after_any_events(shared: SharedServer):
    run_state_machine_as_test(
        lambda: RotationMachine(shared),
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            derandomize=True,
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_a_server_answers_as_the_model_does_when_it_loses_writes_and_recovers_again_and_again(shared: SharedServer):
    """The same machine, of the events around a recovery alone: the search above seldom gets to an adoption."""
    chance = random.Random(1)
    adopted = 0
    for example in range(10):
        machine = RotationMachine(shared)
        machine.sign_in(window=chance.choice([None, None, 0]), late=chance.randint(0, 2), honest=bool(example % 2))
        for _ in range(10):
            match chance.randrange(7):
                case 0 | 1:
                    lost, rotations = chance.random() < 0.3, chance.randint(1, 3)
                    machine.the_database_loses_its_last_writes(rotations=rotations, lost=lost, recovering=True)
                case 2:
                    machine.refresh(lost=chance.random() < 0.3, scope=None)
                case 3:
                    machine.refresh_in_several_tabs_at_once(count=2, lost=False)
                case 4:
                    machine.let_time_pass(seconds=chance.choice([10, 40]))
                case 5:
                    machine.a_thief_uses_a_stolen_token(which=chance.randrange(8))
                case 6:
                    machine.an_operator_declares_a_recovery_or_ends_it(recovering=chance.random() < 0.7)
        adopted += machine.session.model.adoptions_recorded
        machine.teardown()
    assert adopted > 10, adopted
