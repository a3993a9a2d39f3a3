"""Sign-ins that wait for the database count among those of a worker, and leave it threads."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import text

from tests.support.databases import on_both_databases
from tests.support.hasher import pool_of, until
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases


def test_sign_ins_that_wait_for_the_database_take_no_more_threads_than_the_queue_has(
    oauth: OAuth, person: Person, setup: Setup, app: Flask
):
    """Once only their hashes were counted: before and after it any number of them waited, and took all threads."""
    pool = pool_of(app)
    assert oauth.sign_in(person).status_code == 200
    with ThreadPoolExecutor(pool.queue) as threads:
        with setup.database.transaction() as holder:
            holder.execute(text("UPDATE users SET enabled = enabled"))  # opening a session waits for the row
            waiting = [threads.submit(oauth.sign_in, person) for _ in range(pool.queue)]
            until(lambda: pool.callers == pool.queue)
            until(lambda: pool.waiting + pool.running == 0)  # all hashes are done
            one_more = oauth.sign_in(person)
            assert refused_as(one_more, "temporarily_unavailable", 503)
            assert int(one_more.headers["retry-after"]) >= 1
        assert {answer.result().status_code for answer in waiting} == {200}
    assert pool.callers == 0
    assert token_answer(oauth.sign_in(person)).refresh_token
