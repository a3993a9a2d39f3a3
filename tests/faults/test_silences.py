"""After a time in which no worker could write, all workers hold the same rules for tokens of before."""

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from authserver.app import create_app
from authserver.database.engine import Database
from authserver.database.heartbeat import Heartbeat
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, refused_as
from tests.support.session_model import Policy
from tests.support.setup import STALE, Setup
from tests.support.token_answer import token_answer
from tests.support.watched_session import Request, WatchedSession

pytestmark = on_both_databases

WINDOW = 30
STEPS = 25


class Worker:
    """An application in this process that beats when it is told to."""

    def __init__(self, setup: Setup, app: App) -> None:
        made = create_app(setup.with_settings(caches=STALE))
        self.database: Database = made.extensions["authserver"].database
        http = httpx.Client(transport=httpx.WSGITransport(made), base_url=setup.settings.issuer)
        self.oauth = OAuth(http, app)
        self.beat()

    def beat(self) -> None:
        Heartbeat(self.database).beat()


@pytest.fixture
def directory(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(("window", "seed"), [(WINDOW, 0), (WINDOW, 1), (0, 1)])
def test_workers_answer_as_the_model_does_in_which_windows_do_not_pass_in_silences(
    setup: Setup, person: Person, window: int, seed: int
):
    chance = random.Random(seed)
    app = setup.an_app(public=True, retry_window=window, late_retries=seed)
    workers = [Worker(setup, app) for _ in range(2)]
    with ThreadPoolExecutor(1) as threads:
        watched = WatchedSession(setup, workers[0].oauth, person, Policy(window, seed), threads)
        for _ in range(STEPS):
            watched.oauth = chance.choice(workers).oauth
            match chance.randrange(5):
                case 0 | 1:
                    watched.send(Request(watched.token(-1)))
                case 2:  # a lost answer, or another tab
                    watched.send(Request(watched.token(-chance.randint(1, 2))))
                case 3:
                    watched.pass_time(chance.choice([11, 35]))  # no sum of them is close to a window
                case 4:
                    watched.fall_silent(chance.choice([20, 50]))
                    workers[0].beat()
                    if chance.random() < 0.3:
                        workers[1] = Worker(setup, app)  # it starts after the silence
            for worker in workers:
                worker.beat()
            if watched.model.ended:
                watched = WatchedSession(setup, workers[0].oauth, person, Policy(window, seed), threads)


@pytest.mark.usefixtures("directory")
def test_a_token_of_before_a_silence_is_kept_for_as_long_as_its_predecessor_is_a_retry(setup: Setup, person: Person):
    """Once it moved on, and the tab that held the predecessor, whose answer was lost, signed the user out."""
    worker = Worker(setup, setup.an_app(public=True))
    first = token_answer(worker.oauth.sign_in(person))
    second = token_answer(worker.oauth.refresh(first.refresh_token))
    setup.back_date(first.session_id, 40)
    setup.sql("UPDATE leases SET until = until - 40000 WHERE name = 'heartbeat'")
    worker.beat()
    assert token_answer(worker.oauth.refresh(second.refresh_token)).refresh_token == second.refresh_token
    assert token_answer(worker.oauth.refresh(first.refresh_token)).refresh_token == second.refresh_token
    setup.back_date(first.session_id, WINDOW + 10)
    third = token_answer(worker.oauth.refresh(second.refresh_token)).refresh_token
    assert third != second.refresh_token, "only the silence is left out"
    assert refused_as(worker.oauth.refresh(first.refresh_token), "invalid_grant")
