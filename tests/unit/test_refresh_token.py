"""A refresh token has one spelling, a tag that only the server can make, and a successor that needs the token."""

import base64
import contextlib
import re
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.database.identifiers import new_id
from authserver.keys.material import TokenKey
from authserver.sessions.refresh_token import (
    MAX_GENERATION,
    PREFIX,
    Malformed,
    RefreshToken,
    first_token,
    issue,
    parse,
    successor,
)

KEY = TokenKey(id=1, tag_key=bytes(range(32)), successor_key=bytes(range(32, 64)), leaked=False)
OTHER_KEY = TokenKey(id=2, tag_key=bytes(32), successor_key=b"\1" * 32, leaked=False)
TEXT = first_token(KEY, UUID(int=7)).encode()
BASE64URL = string.ascii_letters + string.digits + "-_"

secrets = st.binary(min_size=32, max_size=32)
salts = st.binary(min_size=16, max_size=16)
generations = st.integers(0, MAX_GENERATION)
keys = st.builds(
    TokenKey, id=st.integers(1, 2**24 - 1), tag_key=secrets, successor_key=secrets, leaked=st.just(value=False)
)
tokens = st.builds(issue, keys, st.uuids(), generations, secrets)


def parts(token: RefreshToken) -> tuple[object, ...]:
    return token.key_id, token.session_id, token.generation, token.secret, token.tag


# --- wire form -------------------------------------------------------------------------------------------------------


@given(keys, st.uuids(), generations, secrets)
def test_a_token_comes_back_from_its_wire_form_as_it_was(
    key: TokenKey, session_id: UUID, generation: int, secret: bytes
):
    token = issue(key, session_id, generation, secret)
    again = parse(token.encode())
    assert parts(again) == parts(token) == (key.id, session_id, generation, secret, token.tag)
    assert again.is_genuine(key)
    assert again.digest == token.digest


@given(tokens)
def test_the_wire_form_is_the_prefix_and_72_bytes(token: RefreshToken):
    text = token.encode()
    assert re.fullmatch(r"asrt_[A-Za-z0-9_-]{96}", text)
    raw = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
    assert raw[0] == 1, "the version"
    assert int.from_bytes(raw[1:4], "big") == token.key_id
    assert raw[4:20] == token.session_id.bytes
    assert int.from_bytes(raw[20:24], "big") == token.generation
    assert raw[24:56] == token.secret
    assert raw[56:] == token.tag


@given(tokens, st.integers(0, 95), st.sampled_from(BASE64URL))
def test_a_token_has_one_spelling(token: RefreshToken, position: int, letter: str):
    # Unused bits would let one stolen token look like many.
    text = token.encode()
    at = len(PREFIX) + position
    changed = text[:at] + letter + text[at + 1 :]
    if changed == text:
        return
    try:
        assert parts(parse(changed)) != parts(token)
    except Malformed:
        assert position in (0, 1), "the version is in the first two letters"


@given(tokens)
def test_what_parses_encodes_to_the_same_text(token: RefreshToken):
    assert parse(token.encode()).encode() == token.encode()


@given(st.text(max_size=120) | st.text(BASE64URL, min_size=90, max_size=100).map(PREFIX.__add__))
def test_any_text_is_a_token_or_malformed(text: str):
    with contextlib.suppress(Malformed):
        assert parse(text).encode() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.removeprefix(PREFIX),
        TEXT.upper(),
        TEXT[:-1],
        TEXT + "A",
        TEXT + "=",
        TEXT + "\n",
        " " + TEXT,
        TEXT[:-1] + "=",
        TEXT[:-1] + "+",
        TEXT[:-1] + "\uff21",  # a full-width A
        TEXT[:-1] + "\0",
        PREFIX + base64.urlsafe_b64encode(b"\0" + bytes(71)).decode(),  # another version
        PREFIX + base64.urlsafe_b64encode(b"\2" + bytes(71)).decode(),
        TEXT * 1000,
    ],
    ids=range(15),  # the token differs at each start
)
def test_what_has_another_form_is_malformed(text: str):
    assert parse(TEXT)
    with pytest.raises(Malformed):
        parse(text)


def test_neither_a_token_nor_a_malformed_one_shows_itself():
    token = first_token(KEY, new_id())
    assert token.encode() not in repr(token)
    assert repr(token.secret) not in repr(token)
    with pytest.raises(Malformed) as refusal:
        parse(token.encode() + "A")
    assert token.encode() not in str(refusal.value)


# --- tag -------------------------------------------------------------------------------------------------------------


@given(tokens, st.integers(0, 72 * 8 - 1))
def test_one_altered_bit_is_found_out(token: RefreshToken, bit: int):
    key = KEY
    genuine = issue(key, token.session_id, token.generation, token.secret)
    raw = bytearray(base64.urlsafe_b64decode(genuine.encode().removeprefix(PREFIX)))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        assert not parse(PREFIX + base64.urlsafe_b64encode(bytes(raw)).decode()).is_genuine(key)
    except Malformed:
        assert bit < 8, "another version"


def test_a_tag_of_another_key_is_not_genuine():
    token = first_token(KEY, new_id())
    assert token.is_genuine(KEY)
    assert not token.is_genuine(OTHER_KEY)
    relabelled = RefreshToken(OTHER_KEY.id, token.session_id, token.generation, token.secret, token.tag)
    assert not relabelled.is_genuine(OTHER_KEY)
    assert not relabelled.is_genuine(KEY)


def test_the_successor_key_makes_no_tags():
    swapped = TokenKey(id=1, tag_key=KEY.successor_key, successor_key=KEY.tag_key, leaked=False)
    assert not first_token(swapped, new_id()).is_genuine(KEY)


# --- successor -------------------------------------------------------------------------------------------------------


@given(tokens, generations, salts)
def test_every_node_derives_the_same_successor(presented: RefreshToken, generation: int, salt: bytes):
    once = successor(KEY, presented, generation, salt)
    again = successor(KEY, parse(presented.encode()), generation, salt)
    assert parts(once) == parts(again)
    assert once.is_genuine(KEY)
    assert (once.session_id, once.generation, once.key_id) == (presented.session_id, generation, KEY.id)


@given(tokens, salts)
def test_no_successor_is_derived_without_each_of_its_inputs(presented: RefreshToken, salt: bytes):
    """The successor needs the presented secret, the key, the salt of the row, the session and the generation."""
    generation = 7
    wanted = successor(KEY, presented, generation, salt).secret
    other_secret = issue(KEY, presented.session_id, presented.generation, bytes(a ^ 1 for a in presented.secret))
    other_session = issue(KEY, UUID(int=presented.session_id.int ^ 1), presented.generation, presented.secret)
    attempts = [
        successor(KEY, other_secret, generation, salt),
        successor(KEY, other_session, generation, salt),
        successor(OTHER_KEY, presented, generation, salt),
        successor(KEY, presented, generation + 1, salt),
        successor(KEY, presented, generation, bytes(a ^ 1 for a in salt)),
    ]
    assert len({wanted, presented.secret, *(attempt.secret for attempt in attempts)}) == 7


def test_first_tokens_are_random_and_of_generation_0():
    session_id = new_id()
    tokens = [first_token(KEY, session_id) for _ in range(100)]
    assert len({token.secret for token in tokens}) == 100
    assert {token.generation for token in tokens} == {0}
    assert all(token.is_genuine(KEY) for token in tokens)
