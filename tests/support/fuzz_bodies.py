"""Bodies of requests: forms and JSON, first as a client would send them, then bent."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.fuzz_values import Fuzz

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
#: The names of parameters that some endpoint knows, for requests that send them where they do not belong.
PARAMETERS: tuple[bytes, ...] = (
    b"grant_type", b"client_id", b"client_secret", b"username", b"password", b"refresh_token", b"scope", b"resource",
    b"token", b"token_type_hint", b"device_name", b"csrf_token", b"login", b"next", b"audience", b"client_assertion",
)  # fmt: skip
#: Members of the documents of the admin API, and names that JSON readers treat in their own ways.
_MEMBERS: tuple[str, ...] = (
    "client_id", "name", "kind", "grants", "scopes", "auth_methods", "username", "email", "password", "roles", "enabled",
    "subject", "audience", "id", "retry_window", "late_retries", "origins", "reference", "delay", "__proto__", "", "\0",
)  # fmt: skip

Pairs = list[tuple[bytes, bytes]]


def form(fuzz: Fuzz, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A form body of these parameters, most of the time with changes."""
    sent = list(pairs)
    while fuzz.chance(0.6):
        fuzz.random.choice((_repeat, _drop, _add, _bend, _bend, _many))(fuzz, sent)
    body = b"&".join(fuzz.escaped(name) + b"=" + fuzz.escaped(value) for name, value in sent)
    while fuzz.chance(0.15):
        body = fuzz.edited(body)
    return body


def _repeat(fuzz: Fuzz, pairs: Pairs) -> None:
    if pairs:
        pairs.insert(fuzz.random.randrange(len(pairs)), fuzz.random.choice(pairs))


def _drop(fuzz: Fuzz, pairs: Pairs) -> None:
    if pairs:
        del pairs[fuzz.random.randrange(len(pairs))]


def _add(fuzz: Fuzz, pairs: Pairs) -> None:
    name = fuzz.random.choice(PARAMETERS) if fuzz.chance(0.7) else fuzz.nasty()
    pairs.append((name, fuzz.nasty()))


def _bend(fuzz: Fuzz, pairs: Pairs) -> None:
    if pairs:
        at = fuzz.random.randrange(len(pairs))
        name, value = pairs[at]
        pairs[at] = (fuzz.edited(name), value) if fuzz.chance(0.3) else (name, fuzz.edited(value))


def _many(fuzz: Fuzz, pairs: Pairs) -> None:
    if fuzz.chance(0.1):
        pairs += [(b"p%d" % number, b"") for number in range(fuzz.random.choice((99, 101, 3000)))]


def document(fuzz: Fuzz, known: Sequence[str]) -> bytes:
    """A JSON document: of members that are known, with values of any type, or broken as text."""
    if fuzz.chance(0.1):
        return fuzz.random.choice(_BROKEN)(fuzz.random.choice((3, 90, 300, 980, 1000, 9000)))
    names = [*known, *known, *known, *_MEMBERS]
    members = {fuzz.random.choice(names): _value(fuzz, 2) for _ in range(fuzz.random.randrange(8))}
    text = json.dumps(members).encode()
    while fuzz.chance(0.25):
        text = fuzz.edited(text)
    return text


_BROKEN = (
    lambda depth: b"[" * depth + b"]" * depth,
    lambda depth: b'{"name":' * depth + b"1" + b"}" * depth,
    lambda depth: b'{"roles":' + b"[" * depth + b"]" * depth + b"}",
    lambda depth: b"[" * depth,
    lambda depth: b'{"name":"a","name":"b"' + b',"x":1' * depth + b"}",
    lambda depth: b'{"retry_window":' + b"9" * depth + b"}",
    lambda depth: b'{"retry_window":1' + b"0" * depth + b".5e" + b"9" * (depth % 7 + 1) + b"}",
    lambda _: b'{"retry_window":NaN}',
    lambda _: b'{"retry_window":-Infinity}',
    lambda _: b'{"name":"\\ud800"}',
    lambda _: b'{"name":"\\u0000"}',
    lambda _: b'\xef\xbb\xbf{"name":"a"}',
    lambda _: '{"name":"a"}'.encode("utf-16"),
    lambda _: '{"name":"a"}'.encode("utf-32"),
    lambda depth: b" " * depth + b"{}" + b" " * depth,
    lambda _: b'{"a":1}{"a":1}',
)


def _value(fuzz: Fuzz, depth: int) -> object:
    simple: list[object] = [None, True, 0, -1, 2**31, 2**63, 10**400, 1.5, 1e308, "", "a", [], {}]
    kind = fuzz.random.randrange(10)
    if kind < 4:
        return fuzz.nasty().decode("utf-8", "replace")
    if kind < 8 or not depth:
        return fuzz.random.choice(simple)
    if kind == 8:
        return [_value(fuzz, depth - 1) for _ in range(fuzz.random.choice((1, 2, 200)))]
    return {fuzz.random.choice(_MEMBERS): _value(fuzz, depth - 1)}


def lines(fuzz: Fuzz, media_type: bytes) -> bytes:
    """Users for the import, in CSV or in lines of JSON."""
    if media_type == b"text/csv":
        cells = [b"username,email,roles", b'fuzzed,"f@example.com",reader', b'"a""b",,', b'="x",,', b"a;b\tc"]
    else:
        cells = [b'{"username":"fuzzed","roles":["reader"]}', b'{"email":"f@example.com","enabled":false}']
        cells.append(document(fuzz, ()))
    text = b"\n".join(cells[: fuzz.random.randrange(1, len(cells) + 1)])
    while fuzz.chance(0.5):
        text = fuzz.edited(text)
    return text
