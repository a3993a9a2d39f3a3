"""The console's first page: recent activity, findings, and the first steps."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from flask import Flask

from authserver.apis.administration import SCOPES
from tests.support.console import Elements, an_administrator, browser
from tests.support.oauth import OAuth, Person
from tests.support.setup import Setup
from tests.support.token_answer import token_answer
from tests.support.visitor import Visitor

OVERVIEW = "/admin/overview"


@pytest.fixture
def admin(setup: Setup, app: Flask) -> Iterator[Visitor]:
    """An administrator who has just signed in."""
    with browser(setup, app) as visitor:
        assert visitor.sign_in(an_administrator(setup)).status_code == 303
        yield visitor


class Tables(HTMLParser):
    """The figures of each chart's table, by column and summed."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.columns: dict[str, list[str]] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self._table = ""
        self._cell: str | None = None
        self._in_head = False
        self.feed(page.text)

    def sums(self, chart: str) -> dict[str, int]:
        """The sum of each column except the times."""
        columns, rows = self.columns[f"figures-{chart}"], self.rows[f"figures-{chart}"]
        return {
            name: sum(int(row[position]) for row in rows if row[position].isdigit())
            for position, name in enumerate(columns)
            if position
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._table = dict(attrs).get("id") or ""
            self.columns[self._table], self.rows[self._table] = [], []
        elif tag in ("thead", "tbody"):
            self._in_head = tag == "thead"
        elif tag == "tr" and not self._in_head and self._table:
            self.rows[self._table].append([])
        elif tag in ("th", "td") and self._table:
            self._cell = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self._cell is not None:
            cells = self.columns[self._table] if self._in_head else self.rows[self._table][-1]
            cells.append(self._cell.strip())
            self._cell = None
        elif tag == "table":
            self._table = ""

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell += data


def words(page: httpx.Response) -> str:
    return Elements(page.text).words


@pytest.mark.parametrize("span", ["hour", "day", "week", "month"])
def test_the_figures_of_each_chart_stand_in_a_table(
    admin: Visitor, oauth: OAuth, person: Person, app: Flask, span: str
):
    token = token_answer(oauth.sign_in(person))
    token_answer(oauth.sign_in(person))
    token_answer(oauth.refresh(token.refresh_token))
    assert oauth.refresh("asrt_nonsense").status_code == 400
    housekeeping = app.extensions["authserver"].housekeeping
    housekeeping.flush()
    housekeeping.sample()
    tables = Tables(admin.get(f"{OVERVIEW}?span={span}"))
    assert tables.sums("sign-ins") == {"sign-ins": 2}
    assert tables.sums("refreshes") == {"rotated": 1}
    assert tables.sums("refusals") == {"token malformed": 1}
    assert tables.sums("active") == {"live sessions": 2}
    assert len(tables.rows["figures-sign-ins"]) == {"hour": 12, "day": 48, "week": 28, "month": 30}[span]


def test_an_unknown_span_shows_the_last_day(admin: Visitor):
    for query in ("?span=", "?span=year", "?span=<script>", "?span=day&span=week"):
        page = admin.get(OVERVIEW + query)
        assert page.status_code == 200
        assert 'href="/admin/overview?span=day" role="button" class="small " aria-current="true"' in page.text


def test_rare_reasons_are_summed(admin: Visitor, setup: Setup):
    now = setup.database.now()
    for number in range(8):
        name, count = f"refusal.reason_{number}", 100 - number
        setup.sql("INSERT INTO activity (at, name, count) VALUES (:at, :name, :count)", at=now, name=name, count=count)
    sums = Tables(admin.get(OVERVIEW)).sums("refusals")
    assert list(sums) == ["reason 0", "reason 1", "reason 2", "reason 3", "reason 4", "other reasons"]
    assert sums["other reasons"] == 95 + 94 + 93


def test_an_empty_server_says_what_to_do_first_and_ticks_it_off(
    admin: Visitor, setup: Setup, app: Flask, person: Person
):
    setup.sql("DELETE FROM apis WHERE audience NOT LIKE 'urn:%'")
    setup.sql("DELETE FROM users WHERE username = :name", name=person.username)

    def open_steps() -> int:
        page = admin.get(OVERVIEW).text
        first = page.partition('<ol class="steps">')[2].partition("</ol>")[0]
        assert "What to do first" in page or not first
        return first.count("<a href")

    assert open_steps() == 4
    setup.an_api("https://new.example.com", "new")
    assert open_steps() == 3
    client = setup.an_app(scopes={"new"})
    assert open_steps() == 2
    someone = setup.a_person()
    assert open_steps() == 1
    with httpx.Client(
        transport=httpx.WSGITransport(app, raise_app_exceptions=False), base_url=setup.settings.issuer
    ) as http:
        assert OAuth(http, client).sign_in(someone).status_code == 200
    app.extensions["authserver"].housekeeping.flush()
    assert open_steps() == 0


def test_keys_and_their_next_rotation_are_shown(admin: Visitor, setup: Setup):
    page = admin.get(OVERVIEW)
    (row,) = setup.sql("SELECT * FROM keys WHERE kind = 'signing' AND state = 'active'")
    assert row.kid in page.text
    assert "in 29 days" in words(page)


def test_what_the_doctor_warns_of_stands_on_the_first_page(admin: Visitor, oauth: OAuth):
    page = admin.get(OVERVIEW)
    assert f"authserver clients edit --remove-grant password {oauth.app.client_id}" in words(page)


def test_a_stolen_token_stands_on_the_first_page(admin: Visitor, oauth: OAuth, person: Person, setup: Setup):
    assert "None: no stolen token was found" in words(admin.get(OVERVIEW))
    first = token_answer(oauth.sign_in(person))
    second = token_answer(oauth.refresh(first.refresh_token))
    setup.back_date(second.session_id, 3600)
    token_answer(oauth.refresh(second.refresh_token))
    assert oauth.refresh(first.refresh_token).status_code == 400
    page = admin.get(OVERVIEW)
    assert "session.reuse" in page.text
    assert oauth.app.client_id in page.text


def test_what_other_scopes_open_is_left_out(setup: Setup, app: Flask):
    with browser(setup, app) as visitor:
        visitor.sign_in(an_administrator(setup, frozenset({"authserver:settings:read"})))
        page = visitor.get(OVERVIEW)
        assert page.status_code == 200
        assert "Keys in use" not in page.text
        assert "Recent security events" not in page.text
    with browser(setup, app) as visitor:
        visitor.sign_in(an_administrator(setup, frozenset(SCOPES)))
        page = visitor.get(OVERVIEW)
        assert "Keys in use" in page.text
        assert "Recent security events" in page.text
