"""A worker takes a few sign-ins at once, on threads of their own. It answers the surplus in its event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import httpx
import pytest
from flask import Flask
from prometheus_client import REGISTRY

from authserver.refusals.reasons import Reason
from authserver.serving.wsgi import WSGIBridge
from tests.conftest import Statements
from tests.support.hasher import pool_of
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.token_answer import reason

PAGE = "https://shop.example.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def bridge_to(app: Flask, application: WSGIApplication | None = None, threads: int = 4) -> WSGIBridge:
    """A worker of the app. Requests that get a thread are answered by `application`, by default the app."""
    hints = app.extensions["authserver"].hints
    return WSGIBridge(application or app, threads=threads, on_start=lambda: None, hints=hints)


def no_content(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    start("204 No Content", [])
    return []


async def post(bridge: WSGIBridge, body: str, headers: Any = FORM, path: str = "/token") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=bridge), base_url="http://127.0.0.1") as http:  # type: ignore[arg-type]
        return await http.post(path, content=body, headers=headers)


def through(bridge: WSGIBridge, *arguments: Any, **more: Any) -> httpx.Response:
    return asyncio.run(asyncio.wait_for(post(bridge, *arguments, **more), 60))


@pytest.fixture
def full(app: Flask) -> Flask:
    """The app while its queue for hashing has no place."""
    pool = pool_of(app)
    pool.callers = pool.queue
    return app


def sign_in_form(person: Person) -> dict[str, str]:
    return {"grant_type": "password", "username": person.username, "password": person.password}


@pytest.mark.parametrize("is_page", [False, True])
def test_the_loop_answers_as_a_thread_does(oauth: OAuth, person: Person, setup: Setup, full: Flask, is_page: bool):  # noqa: FBT001
    app = oauth
    if is_page:
        registered = setup.an_app(public=True, kind="browser", origins=frozenset({PAGE}), token_delivery="both_cookies")
        app = OAuth(oauth.http, registered, {"Origin": PAGE})
    by_thread = app.sign_in(person)
    assert refused_as(by_thread, "temporarily_unavailable", 503)
    form = sign_in_form(person) | ({"client_id": app.app.client_id} if is_page else {})
    by_loop = through(bridge_to(full), urlencode(form), FORM | app.headers | ({} if is_page else app.app.basic))
    assert refused_as(by_loop, "temporarily_unavailable", 503)
    for answer in (by_thread, by_loop):
        assert reason(setup, answer) is Reason.HASHING_OVERLOADED
    assert {**by_loop.json(), "reference": ""} == {**by_thread.json(), "reference": ""}
    unordered = [sorted(answer.headers.multi_items()) for answer in (by_loop, by_thread)]
    assert unordered[0] == unordered[1]


def test_the_surplus_costs_neither_a_thread_nor_a_statement(person: Person, full: Flask, statements: Statements):
    reached: list[str] = []

    def application(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        reached.append(environ["PATH_INFO"])
        return no_content(environ, start)

    bridge, form = bridge_to(full, application), urlencode(sign_in_form(person))
    with statements.counted() as seen:
        assert [through(bridge, form).status_code for _ in range(20)] == [503] * 20
    assert (reached, seen) == ([], [])
    pool_of(full).callers = 0
    assert through(bridge, form).status_code == 204
    assert reached == ["/token"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/token", "grant_type=refresh_token&refresh_token=x"),
        ("/token", "grant_type=client_credentials"),
        ("/token", "username=x&password=grant_type=password"),
        ("/token", "grant_type=passwords"),
        ("/token", "xgrant_type=password"),
        ("/token", ""),
        ("/revoke", "grant_type=password"),
        ("/account/sign-in", "grant_type=password"),
        ("/token/", "grant_type=password"),
    ],
)
def test_no_other_request_is_refused_for_a_full_queue(full: Flask, path: str, body: str):
    bridge = bridge_to(full, no_content)
    assert through(bridge, body, path=path).status_code == 204
    for sign_in in ("grant_type=password", f"{body}&grant_type=password", f"grant_type=password&{body}"):
        assert through(bridge, sign_in).status_code == 503


def test_a_sign_in_counts_from_its_arrival_until_its_answer(app: Flask):
    """Many arrive in one turn of the loop, before a thread has taken the first of them."""
    free, pool = threading.Event(), pool_of(app)

    def application(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        if environ["HTTP_USER_AGENT"] == "fails":
            assert free.wait(60)
            raise RuntimeError("a failure that the test asks for")
        return no_content(environ, start)

    bridge, sign_in = bridge_to(app, application, threads=1), "grant_type=password"

    async def story() -> None:
        fails = {"User-Agent": "fails"}
        first = [asyncio.ensure_future(post(bridge, sign_in, fails)) for _ in range(pool.queue)]
        await asyncio.sleep(0.1)
        surplus = await asyncio.gather(*(post(bridge, sign_in) for _ in range(30)))
        assert {answer.status_code for answer in surplus} == {503}
        assert not any(task.done() for task in first)
        assert (await post(bridge, "grant_type=refresh_token")).status_code == 204, "they hold no thread of others"
        free.set()
        assert {answer.status_code for answer in await asyncio.gather(*first)} == {500}
        assert (await post(bridge, sign_in)).status_code == 204, "those that failed gave their places back"

    asyncio.run(asyncio.wait_for(story(), 60))


def test_the_surplus_is_counted_as_by_a_thread(oauth: OAuth, person: Person, full: Flask):
    bridge, form = bridge_to(full), urlencode(sign_in_form(person))
    assert counted_by(lambda: oauth.sign_in(person)) == counted_by(lambda: through(bridge, form)) == [1, 1, 1]


def counted_by(request: Callable[[], httpx.Response]) -> list[float]:
    """By how much a refused request moves the figures."""
    names = [
        ("authserver_hashing_refused_total", {}),
        ("authserver_refusals_total", {"reason": "hashing_overloaded"}),
        ("authserver_requests_total", {"endpoint": "token", "grant": "password", "outcome": "temporarily_unavailable"}),
    ]
    before = [REGISTRY.get_sample_value(*name) or 0 for name in names]
    assert request().status_code == 503
    return [(REGISTRY.get_sample_value(*name) or 0) - start for name, start in zip(names, before, strict=True)]
