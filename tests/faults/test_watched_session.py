"""The comparison with the model allows what the server may do by itself between two looks at a session."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from authserver.sessions.sweep import sweep
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person
from tests.support.session_model import Policy
from tests.support.setup import STALE, ANode, Setup
from tests.support.watched_session import SWEPT, Request, WatchedSession


class SweptBefore(OAuth):
    """An app before whose refreshes the server's sweep gets to its sessions."""

    def __init__(self, http: httpx.Client, app: App, setup: Setup) -> None:
        super().__init__(http, app)
        self._setup = setup

    def refresh(self, refresh_token: str, **more: Any) -> httpx.Response:
        assert sweep(self._setup.database, batch=10) == 1
        return super().refresh(refresh_token, **more)


@on_both_databases
@pytest.mark.parametrize("enabled", [True, False])
def test_a_sweep_in_the_middle_of_a_step_contradicts_no_model_of_an_ended_epoch(
    setup: Setup, a_node: ANode, person: Person, *, enabled: bool
):
    """Once a search failed by it (test_rotation_model.py): a backup from before the client's end was put back while a sweep ran."""
    phone = a_node(STALE).as_app(setup.an_app(public=True))
    with ThreadPoolExecutor(1) as threads:
        watched = WatchedSession(setup, phone, person, Policy(30, 0), threads)
        setup.end_epoch(phone.app.client_id, enabled=enabled)
        watched.model, watched.client_enabled = replace(watched.model, dead=True), enabled
        watched.oauth = SweptBefore(a_node(STALE).http, phone.app, setup)  # another node, which knows of the end
        (answer,) = watched.send(Request(watched.token(0)))
    assert answer.error == ("invalid_grant" if enabled else "invalid_client")
    assert watched.model.ended == watched.row.revoked_because == SWEPT
