"""`make run` prepares a fresh directory, and completes one whose first start was cut off."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from authserver.administration import apis, clients, users
from authserver.administration.context import Administration
from authserver.database.engine import open_database
from authserver.demo import __main__ as demo
from authserver.settings.model import Settings, load_settings


def _settings(directory: Path) -> Settings:
    return load_settings(
        None, {"AUTHSERVER_DATA_DIR": str(directory / "data"), "AUTHSERVER_KEY_DIR": str(directory / "keys")}
    )


def test_a_first_start_registers_the_demo_and_a_second_changes_nothing(tmp_path: Path):
    settings = _settings(tmp_path)
    demo.prepare(settings)
    demo.prepare(settings)
    database = open_database(Flask("test"), settings)
    admin = Administration(database, settings, "test")
    assert demo.AUDIENCE in {plan.audience for plan in apis.find_all(admin)}
    assert {client.client_id for client in clients.find_all(admin)} == {demo.CLIENT_ID, demo.WEB_CLIENT_ID}
    assert [user.username for user in users.find_all(admin)] == [demo.ADMINISTRATOR, demo.USERNAME]
    database.dispose()
    assert demo.WEB_ORIGIN in demo.lines_to_try(settings, None, has_example=True)
