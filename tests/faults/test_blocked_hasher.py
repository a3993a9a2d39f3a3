"""With the password hasher blocked, the server answers everything except sign-ins. No timing."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from tests.support.hasher import blocked_hasher, make_patient, pool_of, until
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.token_answer import token_answer


def everything_else_is_answered(oauth: OAuth, token: str, to_be_ended: str) -> bool:
    """Whether refresh, retry, revocation, own tokens, key set, metadata and health succeed."""
    public = ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/healthz", "/readyz")
    answers = [
        oauth.refresh(token),
        oauth.refresh(token),
        oauth.revoke(to_be_ended),
        oauth.own_token(),
        *(oauth.http.get(path) for path in public),
    ]
    return [answer.status_code for answer in answers] == [200] * len(answers)


def test_a_full_hashing_queue_refuses_at_once_and_stops_nothing_else(
    oauth: OAuth, person: Person, setup: Setup, app: Flask
):
    token, other = (token_answer(oauth.sign_in(person)).refresh_token for _ in range(2))
    make_patient(app)
    pool = pool_of(app)
    with ThreadPoolExecutor(pool.queue) as threads:
        with blocked_hasher(setup):
            waiting = [threads.submit(oauth.sign_in, person) for _ in range(pool.queue)]
            until(lambda: pool.waiting == pool.queue)
            refused = oauth.sign_in(person)
            assert refused_as(refused, "temporarily_unavailable", 503)
            assert int(refused.headers["retry-after"]) >= 1
            assert (pool.refused_full, pool.refused_late) == (1, 0), "it answered at once and did not wait for a slot"
            assert everything_else_is_answered(oauth, token, other)
            assert pool.waiting == pool.queue
        assert [answer.result().status_code for answer in waiting] == [200] * pool.queue


def test_a_sign_in_that_was_turned_away_leaves_nothing_behind(oauth: OAuth, person: Person, setup: Setup, app: Flask):
    make_patient(app)
    pool = pool_of(app)
    with ThreadPoolExecutor(pool.queue) as threads, blocked_hasher(setup) as release:
        waiting = [threads.submit(oauth.sign_in, person) for _ in range(pool.queue)]
        until(lambda: pool.waiting == pool.queue)
        assert oauth.sign_in(person).status_code == 503
        assert setup.sql("SELECT id FROM sessions") == []
        assert setup.sql("SELECT id FROM audit_events WHERE event LIKE 'sign_in.%'") == []
        release()
        assert {answer.result().status_code for answer in waiting} == {200}
    assert (pool.waiting, pool.running) == (0, 0)
    assert oauth.sign_in(person).status_code == 200


def test_a_live_server_answers_everything_else_while_no_password_can_be_hashed(live: LiveServer, setup: Setup):
    person, app = setup.a_person(), setup.an_app()
    sign_ins = 40
    many = [setup.a_person() for _ in range(sign_ins)]  # the throttle turns away a user who waits for ten at once
    held_back = live.workers * setup.settings.passwords.hashing_queue
    with live.http() as calm, live.http() as storm, ThreadPoolExecutor(sign_ins) as threads:
        oauth = OAuth(calm, app)
        token, other = (token_answer(oauth.sign_in(person)).refresh_token for _ in range(2))
        with blocked_hasher(setup):
            answers = [threads.submit(OAuth(storm, app).sign_in, one) for one in many]
            until(lambda: sum(answer.done() for answer in answers) >= sign_ins - held_back)
            assert {answer.result().status_code for answer in answers if answer.done()} == {503}
            assert everything_else_is_answered(oauth, token, other)
        assert {answer.result().status_code for answer in answers} <= {200, 503}
        assert oauth.sign_in(person).status_code == 200
