"""A refusal's reference tells the reason to a holder of the master key, and nothing to others."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from authserver.keys.setup import open_vault
from authserver.keys.vault import Vault
from authserver.refusals.public import Public
from authserver.refusals.reasons import Reason
from authserver.refusals.references import LENGTH, References, Refusal
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.setup import Setup

references = References(Vault(b"k" * 32).reference_key())

refusals = st.builds(
    Refusal,
    reason=st.sampled_from(Reason),
    at=st.integers(0, 2**63 - 1),
    client_id=st.none() | st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True),
    session_id=st.none() | st.uuids().filter(lambda value: value.int != 0),
    about=st.none() | st.from_regex(r"[!-~]{1,62}", fullmatch=True),
)


@given(refusals)
def test_a_reference_opens_to_what_was_sealed(refusal: Refusal):
    assert references.open(references.seal(refusal)) == refusal


@given(refusals)
def test_every_reference_has_one_length_and_one_alphabet(refusal: Refusal):
    reference = references.seal(refusal)
    assert len(reference) == LENGTH
    assert set(reference) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_reference_begins_with_a_hyphen_which_a_command_line_would_take_for_an_option():
    """Once one in 64 did, and `authserver why` answered "No such option"."""
    assert not [r for r in (references.seal(Refusal(Reason.WRONG_SECRET, 1)) for _ in range(2000)) if r[0] == "-"]


@given(refusals)
def test_the_same_refusal_never_has_the_same_reference_twice(refusal: Refusal):
    assert references.seal(refusal) != references.seal(refusal)


@given(refusals, st.integers(0, LENGTH - 2), st.sampled_from("Aa0-_"))
def test_an_altered_reference_does_not_open(refusal: Refusal, place: int, character: str):
    reference = references.seal(refusal)
    if reference[place] == character:
        return
    with pytest.raises(ValueError, match="not a reference of this server"):
        references.open(reference[:place] + character + reference[place + 1 :])


@given(st.text(max_size=200) | st.binary(max_size=90).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_reference_is_refused_without_a_fuss(text: str):
    with pytest.raises(ValueError, match="not a reference of this server, or sealed under another master key"):
        references.open(text)


def test_a_reference_under_another_master_key_does_not_open():
    reference = References(Vault(b"x" * 32).reference_key()).seal(Refusal(Reason.WRONG_SECRET, 1))
    with pytest.raises(ValueError, match="another master key"):
        references.open(reference)


def test_a_reference_pasted_with_blanks_around_opens():
    refusal = Refusal(Reason.WRONG_SECRET, 1, "app")
    assert references.open(f"  {references.seal(refusal)}\n") == refusal


def test_every_reason_has_a_public_text_of_its_own_kind():
    """Once a reason that no table listed got the text of a refresh token's reason."""
    assert {reason.public for reason in Reason} == set(Public)
    of_refresh_tokens = re.compile(r"TOKEN_|SESSION_|RETRY_|NO_COOKIE")
    told = [reason.name for reason in Reason if reason.public is Public.REFRESH_TOKEN]
    assert [name for name in told if not of_refresh_tokens.match(name)] == []
    assert all(public.text.endswith(".") and public.text.isascii() for public in Public)


def test_no_two_reasons_have_the_same_number():
    assert len({reason.number for reason in Reason}) == len(Reason)


# --- on the wire ------------------------------------------------------------------------------------------------------


def refused_in_every_way(oauth: OAuth, setup: Setup, person: Person) -> dict[Reason, httpx.Response]:
    """Refusals with the same public text, by their reason."""
    disabled = setup.an_app()
    setup.sql("UPDATE clients SET enabled = :no WHERE client_id = :id", no=False, id=disabled.client_id)
    unknown = App("nobody", "secret")
    unreadable = setup.a_person(password_hash="$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ")
    ended = oauth.sign_in(person).json()["refresh_token"]
    assert oauth.revoke(ended).status_code == 200
    live = oauth.sign_in(person).json()["refresh_token"]
    password: Callable[..., httpx.Response] = lambda **form: oauth.token(grant_type="password", **form)  # noqa: E731
    return {
        Reason.WRONG_SECRET: oauth.as_app(App(oauth.app.client_id, "wrong")).own_token(),
        Reason.UNKNOWN_CLIENT: oauth.as_app(unknown).own_token(),
        Reason.CLIENT_DISABLED: oauth.as_app(disabled).own_token(),
        Reason.WRONG_PASSWORD: password(username=person.username, password="wrong"),
        Reason.UNKNOWN_USER: password(username="nobody", password="wrong"),
        Reason.UNREADABLE_HASH: password(username=unreadable.username, password="wrong"),
        Reason.SESSION_REVOKED: oauth.refresh(ended),
        Reason.SESSION_OF_OTHER_CLIENT: oauth.as_app(setup.an_app()).refresh(live),
        Reason.TOKEN_MALFORMED: oauth.refresh("asrt_x"),
        Reason.SCOPE_NOT_ALLOWED: oauth.own_token(scope="invented"),
    }


def test_a_reference_tells_the_administrator_which_check_failed(oauth: OAuth, setup: Setup, person: Person):
    opened = References(open_vault(setup.settings).reference_key())
    for reason, response in refused_in_every_way(oauth, setup, person).items():
        refusal = opened.open(response.json()["reference"])
        assert refusal.reason is reason
        assert abs(refusal.at - setup.database.now()) < 60_000


def test_the_log_has_the_same_reference_beside_the_private_detail(
    oauth: OAuth, setup: Setup, person: Person, caplog: pytest.LogCaptureFixture
):
    responses = refused_in_every_way(oauth, setup, person)
    lines: list[Any] = [record.msg for record in caplog.records if record.name == "authserver.refusals"]
    logged = {line["reference"]: line for line in lines}
    for reason, response in responses.items():
        line = logged[response.json()["reference"]]
        assert line["reason"] == reason.name.lower()
        assert line["detail"]
        assert line["detail"] not in response.text


def test_the_public_text_tells_no_two_private_reasons_apart(oauth: OAuth, setup: Setup, person: Person):
    responses = refused_in_every_way(oauth, setup, person)
    alike = (
        (Reason.WRONG_SECRET, Reason.UNKNOWN_CLIENT, Reason.CLIENT_DISABLED),
        (Reason.WRONG_PASSWORD, Reason.UNKNOWN_USER, Reason.UNREADABLE_HASH),
        (Reason.SESSION_REVOKED, Reason.SESSION_OF_OTHER_CLIENT, Reason.TOKEN_MALFORMED),
    )
    for group in alike:
        seen = set()
        for reason in group:
            body = responses[reason].json()
            assert len(body.pop("reference")) == LENGTH
            # The whole answer except the reference. The length is compared as well.
            headers = {name: value for name, value in responses[reason].headers.items() if name != "date"}
            seen.add((responses[reason].status_code, json.dumps(body), json.dumps(headers, sort_keys=True)))
        assert len(seen) == 1, group


def test_a_reference_names_the_session_to_the_administrator_only(oauth: OAuth, setup: Setup, person: Person):
    tokens = oauth.sign_in(person).json()
    session_id = UUID(claims(tokens["access_token"])["sid"])
    oauth.revoke(tokens["refresh_token"])
    response = oauth.refresh(tokens["refresh_token"])
    reference = response.json()["reference"]
    raw = base64.urlsafe_b64decode(reference + "==")
    for secret in (session_id.bytes, oauth.app.client_id.encode()):
        assert secret not in raw
    assert str(session_id) not in response.text
    refusal = References(open_vault(setup.settings).reference_key()).open(reference)
    assert (refusal.session_id, refusal.client_id) == (session_id, oauth.app.client_id)


def test_what_cannot_be_a_client_id_is_in_no_reference(oauth: OAuth, setup: Setup):
    """People paste secrets into the wrong field."""
    pasted = oauth.as_app(App("My S3cret Password!", "x"))
    reference = pasted.own_token().json()["reference"]
    assert References(open_vault(setup.settings).reference_key()).open(reference).client_id is None


def test_every_node_opens_every_nodes_references(oauth: OAuth, setup: Setup, app: Flask):
    first, second = (References(open_vault(setup.settings).reference_key()) for _ in range(2))
    assert second.open(first.seal(Refusal(Reason.INTERNAL, 5))) == Refusal(Reason.INTERNAL, 5)
