"""The SQL statements of each request: one more of them lowers the capacity of the whole server."""

import time
from typing import Any

import argon2
import pytest

from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import API, Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases


@pytest.fixture(autouse=True)
def warm(oauth: OAuth, person: Person) -> None:
    """Fill the caches, and lease a block of status indices."""
    oauth.revoke(token_answer(oauth.sign_in(person)).refresh_token)


def ran(statements: Any, act: Any, status: int = 200) -> list[str]:
    """The statements of one request."""
    seen: list[str]
    with statements.counted() as seen:
        assert act().status_code == status
    return seen


def test_a_refresh_is_one_statement_whether_it_rotates_or_keeps(oauth: OAuth, person: Person, statements: Any):
    first = token_answer(oauth.sign_in(person))
    assert len(ran(statements, lambda: oauth.refresh(first.refresh_token))) == 1
    second = token_answer(oauth.refresh(first.refresh_token))
    assert len(ran(statements, lambda: oauth.refresh(second.refresh_token))) == 1


def test_no_statement_is_so_long_that_psycopg_parses_it_each_time(oauth: OAuth, person: Person, statements: Any):
    """The charge of a sign-in once had 15,000 characters, which took 2 ms of each."""
    with statements.counted() as seen:
        token = token_answer(oauth.sign_in(person)).refresh_token
        assert oauth.sign_in(person, refresh_token=token).status_code == 200
        assert oauth.token(grant_type="password", username="nobody", password="wrong").status_code == 400
        token = token_answer(oauth.refresh(token)).refresh_token
        assert oauth.post("/introspect", {"token": token}).status_code == 200
        assert oauth.revoke(token).status_code == 200
    assert len(seen) > 20
    assert [statement for statement in seen if len(statement) >= 4096] == []


def test_a_refresh_on_the_fast_path_begins_no_transaction(oauth: OAuth, person: Person, statements: Any):
    token = token_answer(oauth.sign_in(person))
    with statements.counted() as seen:
        assert oauth.refresh(token.refresh_token).status_code == 200
    assert len(seen) == 1
    assert seen[0].startswith("UPDATE sessions")


def test_a_narrowing_refresh_is_one_statement_in_a_transaction(oauth: OAuth, person: Person, statements: Any):
    token = token_answer(oauth.sign_in(person))
    assert len(ran(statements, lambda: oauth.refresh(token.refresh_token, scope="read", resource=API))) == 1


def test_a_stable_refresh_is_one_statement(oauth: OAuth, person: Person, setup: Setup, statements: Any):
    oauth = oauth.as_app(setup.an_app(refresh_policy="stable"))
    token = token_answer(oauth.sign_in(person))
    assert len(ran(statements, lambda: oauth.refresh(token.refresh_token))) == 1


def test_a_retry_is_four_statements_and_three_when_it_is_only_counted(oauth: OAuth, person: Person, statements: Any):
    first = token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(first.refresh_token))
    costs = [len(ran(statements, lambda: oauth.refresh(first.refresh_token))) for _ in range(10)]
    assert costs == [4] * 8 + [3] * 2


def test_a_sign_in_is_eight_statements_and_two_more_where_its_place_becomes_known(
    oauth: OAuth, person: Person, setup: Setup, statements: Any
):
    """Two of them charge the throttle, and two take the charge back. A known place costs what any other does."""
    assert len(ran(statements, lambda: oauth.sign_in(person))) == 8
    public = oauth.as_app(setup.an_app(public=True))
    public.refresh("asrt_nonsense")  # so that the client is in the cache
    assert len(ran(statements, lambda: public.sign_in(person))) == 10, "the place becomes a known one"
    assert len(ran(statements, lambda: public.sign_in(person))) == 8


def test_a_sign_in_with_a_refresh_token_is_one_statement_more_whoever_has_it_and_whether_the_user_exists(
    oauth: OAuth, person: Person, setup: Setup, statements: Any
):
    other = setup.a_person()
    token = token_answer(oauth.sign_in(person)).refresh_token
    assert len(ran(statements, lambda: oauth.sign_in(person, refresh_token=token))) == 9
    assert len(ran(statements, lambda: oauth.sign_in(other, refresh_token=token))) == 9
    assert len(ran(statements, lambda: oauth.sign_in(person, refresh_token="asrt_nonsense"))) == 8
    costs = []
    for name in (person.username, other.username, "nobody"):
        wrong = Person("", name, "wrong password")
        for _ in range(6):  # the first few are recorded
            oauth.sign_in(wrong, refresh_token=token)
        seen = ran(statements, lambda wrong=wrong: oauth.sign_in(wrong, refresh_token=token), 400)
        costs.append(len([text for text in seen if "audit_events" not in text]))
    assert costs[0] == costs[1] == costs[2]


def test_a_rehash_is_one_statement_more(oauth: OAuth, person: Person, setup: Setup, statements: Any):
    outdated = argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("correct horse")
    other = setup.a_person(password="correct horse", password_hash=outdated)
    assert len(ran(statements, lambda: oauth.sign_in(other))) == 9
    assert len(ran(statements, lambda: oauth.sign_in(other))) == 8


def test_a_cap_costs_a_sign_in_one_statement_more(oauth: OAuth, person: Person, setup: Setup, statements: Any):
    oauth = oauth.as_app(setup.an_app(max_sessions_per_user=1))
    assert oauth.sign_in(person).status_code == 200
    assert len(ran(statements, lambda: oauth.sign_in(person))) == 9


def test_the_cost_of_a_sign_in_does_not_grow_with_users_and_sessions(
    oauth: OAuth, person: Person, setup: Setup, statements: Any
):
    few = ran(statements, lambda: oauth.sign_in(person))
    for _ in range(20):
        setup.a_person()
        oauth.sign_in(person)
    assert ran(statements, lambda: oauth.sign_in(person)) == few


def test_a_clients_own_token_is_no_statement(oauth: OAuth, statements: Any):
    assert oauth.own_token().status_code == 200
    assert ran(statements, oauth.own_token) == []


def test_signing_out_is_two_statements_by_either_token(oauth: OAuth, person: Person, statements: Any):
    first, second = token_answer(oauth.sign_in(person)), token_answer(oauth.sign_in(person))
    assert len(ran(statements, lambda: oauth.revoke(first.refresh_token))) == 2
    assert len(ran(statements, lambda: oauth.revoke(second.access_token))) == 2
    assert len(ran(statements, lambda: oauth.revoke(second.access_token))) == 2, (
        "the second reads why the first had no effect"
    )


@pytest.mark.parametrize("last", ["A", "B"])
def test_a_forged_refresh_token_is_no_statement(oauth: OAuth, person: Person, statements: Any, last: str):
    token = token_answer(oauth.sign_in(person)).refresh_token
    forged = token[:40] + ("A" if token[40] != "A" else "B") + token[41:-1] + last
    assert ran(statements, lambda: oauth.refresh(forged), 400) == []
    assert ran(statements, lambda: oauth.revoke(forged)) == []
    assert ran(statements, lambda: oauth.refresh("asrt_nonsense"), 400) == []


def test_the_key_set_and_the_metadata_are_no_statement(oauth: OAuth, statements: Any):
    for path in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/healthz"):
        assert oauth.http.get(path).status_code == 200
        assert ran(statements, lambda path=path: oauth.http.get(path)) == []


def test_a_right_client_secret_is_no_statement_and_a_wrong_one_only_counts(oauth: OAuth, setup: Setup, statements: Any):
    token = oauth.own_token
    assert ran(statements, token) == []
    wrong = oauth.as_app(App(oauth.app.client_id, "ascs_wrong"))
    for _ in range(15):  # the first few are recorded, and the client is read afresh once a second
        assert wrong.own_token().status_code == 401
    seen = ran(statements, wrong.own_token, 401)
    assert any("throttle_buckets" in text for text in seen)
    assert ran(statements, token) == []


def test_a_flood_of_refusals_writes_nothing_but_throttle_counters(
    oauth: OAuth, person: Person, setup: Setup, statements: Any
):
    wrong = Person(person.id, person.username, "wrong password")
    began = time.monotonic()
    assert [oauth.sign_in(wrong).status_code for _ in range(10)] == [400] * 10
    setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000")  # so the delay outlasts this test
    for _ in range(12):  # the first few are recorded
        assert oauth.sign_in(wrong).status_code == 429
    costs = [ran(statements, lambda: oauth.sign_in(wrong), 429) for _ in range(20)]
    recorded = [cost for cost in costs if any("audit_events" in text for text in cost)]
    assert len(recorded) <= 1 + (time.monotonic() - began) < 20, "the bounded rate admits these"


def test_a_refusal_by_the_throttle_costs_the_same_statements_whether_the_place_is_known_or_the_user_exists(
    oauth: OAuth, person: Person, setup: Setup, statements: Any
):
    public = oauth.as_app(setup.an_app(public=True))
    stranger = setup.a_person()
    assert public.sign_in(person).status_code == 200, "so the place is known"
    costs = []
    for name in (person.username, stranger.username, "nobody"):
        wrong = Person("", name, "wrong password")
        assert [public.sign_in(wrong).status_code for _ in range(10)] == [400] * 10
        setup.sql("UPDATE throttle_buckets SET empty_at = empty_at + 20 * 900000 WHERE kind = 3 AND empty_at > 0")
        for _ in range(6):  # the first few are recorded
            assert public.sign_in(wrong).status_code == 429
        seen = ran(statements, lambda wrong=wrong: public.sign_in(wrong), 429)
        costs.append([text for text in seen if "audit_events" not in text])
    assert costs[0] == costs[1] == costs[2]
    assert any("FROM throttle_strangers" in text for text in costs[0])
