"""Rows that a node of the version before goes on inserting after the upgrade, beside nodes of this version."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import text

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.app import create_app
from tests.support import old_rows
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.setup import Setup
from tests.support.token_answer import token_answer

pytestmark = on_both_databases
_USER_ID = str(UUID(old_rows.ROWS["0005"]["users"][0]["id"]))


@pytest.fixture
def upgraded(setup: Setup) -> Iterator[Flask]:
    """This version on its schema, where a node of the version before has just written one row of each table."""
    with setup.database.transaction() as connection:
        for table in old_rows.ROWS["0005"]:
            connection.execute(text(f"DELETE FROM {table}"))
        old_rows.put(connection, old_rows.ROWS["0005"])
    app = create_app(setup.with_settings(master_key=SecretStr(old_rows.MASTER_KEY)))
    yield app
    app.extensions["authserver"].database.dispose()


def test_its_sessions_and_users_have_the_id_as_subject(upgraded: Flask, setup: Setup):
    with httpx.Client(transport=httpx.WSGITransport(upgraded), base_url=setup.settings.issuer) as http:
        oauth = OAuth(http, App(old_rows.CLIENT_ID, None))
        refreshed = token_answer(oauth.refresh(old_rows.REFRESH_TOKEN))
        signed_in = token_answer(oauth.sign_in(Person("", old_rows.USERNAME, old_rows.PASSWORD)))
    assert refreshed.claims["sub"] == signed_in.claims["sub"] == _USER_ID
    admin = Administration(setup.database, setup.settings, "cli:tester")
    (found,) = users.find_all(admin, users.Filter(subject=_USER_ID))
    assert (found.username, found.subject) == (old_rows.USERNAME, None)
