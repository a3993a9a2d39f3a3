"""A forged or altered refresh token touches no session and ends none."""

import base64
import secrets
from typing import Any
from uuid import UUID

from flask import Flask

from authserver.database.identifiers import new_id
from authserver.keys.material import TokenKey
from authserver.sessions.refresh_token import PREFIX, first_token, issue, parse
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.setup import Setup
from tests.support.snapshot import contents

FOREIGN = TokenKey(1, secrets.token_bytes(32), secrets.token_bytes(32), leaked=False)
KEY_ID = slice(1, 4)


def raw(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.removeprefix(PREFIX))


def wire(data: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(data).decode()


def flipped(token: str) -> list[str]:
    """The token with one bit of each byte flipped, except in its key id."""
    data = raw(token)
    places = [place for place in range(len(data)) if place not in range(*KEY_ID.indices(len(data)))]
    return [wire(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]) for place in places]


def refused_untouched(oauth: OAuth, statements: Any, tokens: list[str]) -> None:
    """Both endpoints refuse each token as a foreign one, without an SQL statement."""
    for token in tokens:
        with statements.counted() as seen:
            assert refused_as(oauth.refresh(token), "invalid_grant"), token
            assert oauth.revoke(token).status_code == 200
        assert seen == []


def test_a_byte_that_is_altered_anywhere_is_found_out_without_a_statement(
    oauth: OAuth, setup: Setup, person: Person, statements: Any
):
    token = oauth.sign_in(person).json()["refresh_token"]
    before = contents(setup)
    refused_untouched(oauth, statements, flipped(token))
    assert contents(setup) == before
    assert oauth.refresh(token).status_code == 200


def test_another_key_id_touches_no_session(oauth: OAuth, setup: Setup, person: Person, statements: Any):
    token = oauth.sign_in(person).json()["refresh_token"]
    before, data = contents(setup), raw(token)
    for key_id in (0, 1, 2, 3, 4, 5, 6, 100, 2**24 - 1):
        altered = wire(data[:1] + key_id.to_bytes(3, "big") + data[4:])
        if altered == token:
            continue
        with statements.counted() as seen:
            assert oauth.refresh(altered).status_code in {400, 503}  # 503: the key may be new to this node
        assert not any("sessions" in statement for statement in seen)
    assert contents(setup) == before
    assert oauth.refresh(token).status_code == 200


def test_the_parts_of_two_genuine_tokens_do_not_fit_together(
    oauth: OAuth, setup: Setup, person: Person, statements: Any
):
    own, victims = (parse(oauth.sign_in(person).json()["refresh_token"]) for _ in range(2))
    before = contents(setup)

    def forged(session_id: UUID, generation: int, secret: bytes, tag: bytes) -> str:
        made = issue(FOREIGN, session_id, generation, secret)
        return wire(raw(own.encode())[:4] + raw(made.encode())[4:-16] + tag)

    attempts = [
        forged(victims.session_id, own.generation, own.secret, own.tag),
        forged(victims.session_id, own.generation, own.secret, victims.tag),
        forged(own.session_id, 1, own.secret, own.tag),
        forged(own.session_id, 2**32 - 1, own.secret, own.tag),
        forged(own.session_id, own.generation, victims.secret, own.tag),
        forged(new_id(), own.generation, own.secret, own.tag),
    ]
    refused_untouched(oauth, statements, attempts)
    assert contents(setup) == before
    assert oauth.refresh(forged(own.session_id, own.generation, own.secret, own.tag)).status_code == 200
    assert oauth.refresh(victims.encode()).status_code == 200


def test_another_spelling_is_no_token(oauth: OAuth, setup: Setup, person: Person, statements: Any):
    token = oauth.sign_in(person).json()["refresh_token"]
    body = token.removeprefix(PREFIX)
    spellings = [token[:length] for length in (0, 4, 5, 60, len(token) - 1)][1:]
    spellings += [token + "A", token + "=", token + " ", " " + token, token + "\n", body, token.upper(), "ASRT_" + body]
    spellings += [token[:50] + " " + token[50:], token[:50] + "+" + token[51:], token[:50] + "/" + token[51:]]
    refused_untouched(oauth, statements, [spelling for spelling in spellings if spelling != token])
    assert oauth.refresh(token).status_code == 200


def test_the_token_of_another_server_is_refused(oauth: OAuth, app: Flask, person: Person, statements: Any):
    token = parse(oauth.sign_in(person).json()["refresh_token"])
    foreign = TokenKey(token.key_id, FOREIGN.tag_key, FOREIGN.successor_key, leaked=False)
    theirs = [
        first_token(foreign, new_id()).encode(),
        issue(foreign, token.session_id, token.generation, token.secret).encode(),
        issue(foreign, token.session_id, 1, secrets.token_bytes(32)).encode(),
    ]
    refused_untouched(oauth, statements, theirs)
    assert oauth.refresh(token.encode()).status_code == 200


def test_a_thief_with_a_leaked_token_key_can_end_no_session(oauth: OAuth, setup: Setup, app: Flask, person: Person):
    token = parse(oauth.sign_in(person).json()["refresh_token"])
    keyring = app.extensions["authserver"].keyring
    stolen = keyring.current().token
    setup.key_rotation().mark_leaked(stolen.id, actor="cli:test")
    keyring.refresh()
    before = contents(setup)
    for generation in (0, 1, 5, 2**32 - 1):
        forged = issue(stolen, token.session_id, generation, secrets.token_bytes(32)).encode()
        assert oauth.refresh(forged).status_code in {400, 503}  # a newer generation looks like a restored database
        assert oauth.revoke(forged).status_code == 200
    assert contents(setup) == before
    refreshed = oauth.refresh(token.encode())  # its real tokens are still good
    assert refreshed.status_code == 200
    assert parse(refreshed.json()["refresh_token"]).key_id != stolen.id


def test_before_the_key_is_marked_leaked_the_same_forgery_is_taken_for_reuse(oauth: OAuth, app: Flask, person: Person):
    token = parse(oauth.sign_in(person).json()["refresh_token"])
    key = app.extensions["authserver"].keyring.current().token
    forged = issue(key, token.session_id, token.generation, secrets.token_bytes(32))
    assert refused_as(oauth.refresh(forged.encode()), "invalid_grant")
    assert refused_as(oauth.refresh(token.encode()), "invalid_grant")


def test_a_genuine_token_under_a_leaked_key_still_signs_out(oauth: OAuth, setup: Setup, app: Flask, person: Person):
    token = oauth.sign_in(person).json()["refresh_token"]
    keyring = app.extensions["authserver"].keyring
    setup.key_rotation().mark_leaked(keyring.current().token.id, actor="cli:test")
    keyring.refresh()
    assert oauth.revoke(token).status_code == 200
    assert refused_as(oauth.refresh(token), "invalid_grant")
