"""A request leaves no token and no forged line in the logs, and only the server can read or make a reference."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from authserver.app import create_app
from authserver.keys.setup import open_vault
from authserver.refusals.reasons import Reason
from authserver.refusals.references import LENGTH, References
from authserver.settings.values import LogSettings
from tests.support.oauth import App, OAuth, Person, claims, refused_as
from tests.support.setup import ISSUER, Setup


@pytest.fixture(params=["json", "console"])
def log(
    request: pytest.FixtureRequest, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[OAuth, io.StringIO]]:
    """An app and the log of its server in both forms, with every library that is not pinned at DEBUG."""
    monkeypatch.setattr("tempfile.tempdir", str(setup.directory))
    made = create_app(setup.with_settings(log=LogSettings(level="DEBUG", format=request.param)))
    written = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    with httpx.Client(transport=httpx.WSGITransport(made), base_url=ISSUER) as http:
        yield OAuth(http, setup.an_app()), written
    made.extensions["authserver"].database.dispose()
    logging.getLogger().setLevel(logging.WARNING)


def test_a_flood_of_refused_requests_is_a_bounded_number_of_lines(log: tuple[OAuth, io.StringIO], person: Person):
    oauth, written = log
    assert [oauth.refresh("no token").status_code for _ in range(200)] == [400] * 200
    assert [oauth.token(grant_type="no grant").status_code for _ in range(200)] == [400] * 200
    of_refusals = [line for line in written.getvalue().splitlines() if "authserver.refusals" in line]
    assert 40 <= len(of_refusals) < 60, "20 of each reason at once, and one in 5 seconds"
    assert oauth.as_app(App(oauth.app.client_id, "wrong")).own_token().status_code == 401
    assert "wrong_secret" in written.getvalue(), "the first line of another reason is there"


def test_no_token_secret_or_password_is_logged_even_at_debug(log: tuple[OAuth, io.StringIO], person: Person):
    oauth, written = log
    logging.getLogger("authserver.test").debug("a line at DEBUG")
    signed_in = oauth.sign_in(person).json()
    refreshed = oauth.refresh(signed_in["refresh_token"]).json()
    own = oauth.own_token().json()
    wrong = oauth.as_app(App(oauth.app.client_id, "a-wrong-secret"))
    swapped = oauth.as_app(App(oauth.app.secret or "", oauth.app.client_id))
    for answer in (
        wrong.refresh(refreshed["refresh_token"]),
        swapped.own_token(),
        oauth.token(grant_type="password", username="a-password-in-the-name", password="a-wrong-password"),
        oauth.refresh(refreshed["refresh_token"][:-3] + "AAA"),
        oauth.refresh(refreshed["refresh_token"], scope="a-scope"),
    ):
        assert answer.status_code in {400, 401}
    assert oauth.revoke(refreshed["refresh_token"]).status_code == 200
    text = written.getvalue()
    assert "a line at DEBUG" in text
    assert "refused" in text
    tokens = [body[name] for body in (signed_in, refreshed) for name in ("access_token", "refresh_token")]
    for secret in (*tokens, own["access_token"]):
        assert secret not in text
        assert secret[-40:] not in text
    assert refreshed["refresh_token"][5:60] not in text  # of the altered one, too
    for secret in (oauth.app.secret or "", person.password, "a-wrong-secret", "a-wrong-password", "a-password-in"):
        assert secret not in text


def test_a_failure_of_the_server_logs_no_variables(log: tuple[OAuth, io.StringIO], setup: Setup, person: Person):
    oauth, written = log
    setup.sql("DELETE FROM status_counter")  # a failure that no sign-in expects
    assert refused_as(oauth.sign_in(person), "server_error", 500)
    text = written.getvalue()
    assert "Traceback (most recent call last)" in text
    assert "NoResultFound" in text
    for secret in (person.password, oauth.app.secret or ""):
        assert secret[:12] not in text  # a traceback may cut the values that it prints


def test_authlibs_loggers_stay_above_debug(app: Flask):
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        for name in (
            "authlib",
            "authlib.oauth2.rfc6749.grants.refresh_token",
            "authlib.oauth2.rfc6749.grants.anything",
        ):
            assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before)


def test_a_request_cannot_write_log_lines_of_its_own(log: tuple[OAuth, io.StringIO], setup: Setup):
    oauth, written = log
    assert refused_as(oauth.as_app(App("honest", "x")).own_token(), "invalid_client", 401)
    honest = written.getvalue().count("\n")
    written.truncate(0)
    forged = 'x\r\n{"event": "FORGED"}\n\x1b[2J\u2028FORGED'
    answer = oauth.as_app(App(forged, "x")).own_token()
    assert refused_as(answer, "invalid_client", 401)
    assert written.getvalue().count("\n") == honest
    for form in ({"grant_type": forged}, {"grant_type": "client_credentials", "scope": forged, "resource": forged}):
        assert oauth.token(**form).status_code == 400
    assert "FORGED" not in written.getvalue()


def test_a_user_agent_cannot_write_lines_into_the_audit_record(app: Flask, setup: Setup, person: Person, oauth: OAuth):
    form = {"grant_type": "password", "username": person.username, "password": person.password}
    environ = {"HTTP_USER_AGENT": "Mozilla\r\nFORGED\x1b[2J\x85" + "x" * 1000, **_wsgi(oauth.app)}
    signed_in = app.test_client().post("/token", data=form, environ_overrides=environ)
    assert signed_in.status_code == 200
    (event,) = setup.events("session.opened")
    assert event.user_agent.startswith("Mozilla??FORGED?[2J?x")
    assert len(event.user_agent) == 200
    assert setup.session(claims(signed_in.json["access_token"])["sid"]).last_user_agent == event.user_agent


def _wsgi(app: App) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": app.basic["Authorization"]}


@pytest.fixture
def refusals(oauth: OAuth, setup: Setup, person: Person) -> dict[Reason, Any]:
    """Refusals of many reasons."""
    signed_in = oauth.sign_in(person).json()
    wrong_password = {"grant_type": "password", "username": person.username, "password": "wrong password"}
    return {
        Reason.WRONG_PASSWORD: oauth.token(**wrong_password),
        Reason.UNKNOWN_USER: oauth.token(**{**wrong_password, "username": "nobody"}),
        Reason.UNKNOWN_CLIENT: oauth.as_app(App("nobody", "x")).own_token(),
        Reason.WRONG_SECRET: oauth.as_app(App(oauth.app.client_id, "x")).own_token(),
        Reason.SESSION_OF_OTHER_CLIENT: oauth.as_app(setup.an_app()).refresh(signed_in["refresh_token"]),
        Reason.TOKEN_MALFORMED: oauth.refresh("x"),
        Reason.QUERY_STRING: oauth.post("/token?x=y", {}),
        Reason.SCOPE_NOT_ALLOWED: oauth.own_token(scope="no-such-scope"),
    }


def test_a_reference_is_opened_by_the_master_key_alone(setup: Setup, refusals: dict[Reason, Any]):
    ours, foreign = References(open_vault(setup.settings).reference_key()), References(bytes(range(64)))
    for reason, answer in refusals.items():
        reference = answer.json()["reference"]
        assert ours.open(reference).reason is reason
        with pytest.raises(ValueError, match="not a reference"):
            foreign.open(reference)


def test_references_are_of_one_length_and_never_alike(oauth: OAuth, refusals: dict[Reason, Any]):
    references = [answer.json()["reference"] for answer in refusals.values()]
    references += [oauth.refresh("x").json()["reference"] for _ in range(20)]
    assert {len(reference) for reference in references} == {LENGTH}
    assert len(set(references)) == len(references)
    assert len({reference[:16] for reference in references}) == len(references)  # their beginnings differ, too


def test_an_altered_reference_says_nothing(setup: Setup, refusals: dict[Reason, Any]):
    ours = References(open_vault(setup.settings).reference_key())
    reference: str = refusals[Reason.WRONG_SECRET].json()["reference"]
    assert ours.open(reference).client_id is not None
    # The last character is left out, because four of its bits have no meaning.
    for place in range(len(reference) - 1):
        altered = reference[:place] + ("A" if reference[place] != "A" else "B") + reference[place + 1 :]
        with pytest.raises(ValueError, match="not a reference"):
            ours.open(altered)


def test_a_reference_cannot_be_used_for_anything_else(oauth: OAuth, refusals: dict[Reason, Any]):
    reference = refusals[Reason.WRONG_SECRET].json()["reference"]
    assert refused_as(oauth.refresh(reference), "invalid_grant")
    assert oauth.revoke(reference).status_code == 200
