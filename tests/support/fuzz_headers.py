"""Headers of requests: repeated, huge, of unusual bytes; cookies and conditions in broken forms; and wrong frames."""

from __future__ import annotations

from tests.support.fuzz_bodies import Pairs
from tests.support.fuzz_values import Fuzz

#: Headers that the server or a library of it reads, with values that are nearly right.
_READ: dict[bytes, tuple[bytes, ...]] = {
    b"Accept": (b"*/*;q=0", b"application/json;q=1.5", b"text/html;q=.", b"*", b",;,;q=", b"a/b;" * 400, b"application/*;q=\xb2"),
    b"Accept-Encoding": (b"gzip;q=0", b"gzip;q=NaN", b"*;q=1e9", b"br, gzip;q=-1", b"gzip" * 500),
    b"Accept-Language": (b"de-\xff", b"x" * 4000, b"en;q=en"),
    b"Authorization": (b"", b"Basic", b"Bearer", b"Bearer ", b"Basic ====", b"Digest a=b", b"Bearer " + b"x" * 12_000, b"\xff"),
    b"Content-Encoding": (b"gzip", b"identity, gzip", b"br"),
    b"Content-Type": (
        b"application/x-www-form-urlencoded; charset=utf-16", b"application/x-www-form-urlencoded;charset=", b"text/plain",
        b'application/x-www-form-urlencoded; charset="utf-8', b"multipart/form-data", b"multipart/form-data; boundary=",
        b"application/json; charset=latin-1", b"application/json;charset*=utf-8''%ff", b"a" * 3000, b"/", b"\xff/\xfe",
        b"application/x-www-form-urlencoded; charset*0*=x''; charset*1=y", b'application/x-www-form-urlencoded; =; ;;"',
    ),
    b"Cookie": (b"", b";", b"=", b"a", b"a=b; a=c", b"__Host-authserver=", b"x=" + b"y" * 9000, b'a="b; c=\\', b"\xff=\xfe", b"$Version=1"),
    b"Date": (b"yesterday",),
    b"Forwarded": (b"for=127.0.0.1;for=::1", b'for="[::1', b"for=_x, for=unknown", b'for="' + b"\\" * 3000, b",;=" * 900),
    b"Host": (b"", b"evil", b"a:b:c", b"[::1", b"x" * 400, b"\xff", b"a b"),
    b"If-Match": (b"*", b'"', b'""', b'W/"", "a"', b"W/", b'W/"a", "b', b'"' + b"a" * 5000, b"\xff", b'"a"' * 700),
    b"If-Modified-Since": (b"0", b"Fri, 99 Nov 9999 99:99:99 GMT", b"Thu, 01 Jan 1970 00:00:00 +9999", b"x" * 900),
    b"If-None-Match": (b"*", b'"', b'""', b'W/"", "a"', b'W/"a', b'"a"' * 900, b"\xff\xfe"),
    b"If-Range": (b'"a"', b"x"),
    b"Origin": (b"null", b"", b"https://evil.example", b"http://[::1", b"\xff", b"https://a, https://b"),
    b"Access-Control-Request-Method": (b"POST", b"\xff", b"x" * 900),
    b"Access-Control-Request-Headers": (b"*", b",,,", b"\xff", b"a" * 4000),
    b"Range": (b"bytes=0-", b"bytes=9-1", b"bytes=-", b"bytes=" + b"0-1," * 900, b"x=1"),
    b"Referer": (b"http://[", b"\xff", b"javascript:alert(1)"),
    b"Sec-Fetch-Dest": (b"document", b"iframe", b"\xff"),
    b"Sec-Fetch-Mode": (b"navigate", b"no-cors", b"\xff"),
    b"Sec-Fetch-Site": (b"cross-site", b"same-site", b"none", b""),
    b"User-Agent": (b"", b"\0", b"\xff\xfe", b"x" * 9000, "\u202e\U0001f4a3".encode()),
    b"X-Forwarded-For": (b"unknown", b"1.2.3.4, ,", b"[::1]:x, 999.1.1.1", b"%" * 900, b"1," * 3000, b"::ffff:1.2.3.4"),
    b"X-Forwarded-Host": (b"evil",),
    b"X-Forwarded-Prefix": (b"/evil",),
    b"X-HTTP-Method-Override": (b"DELETE",),
    b"X-Original-URL": (b"/admin/api/users",),
    b"X-Request-Id": (b"\x1b[2J", b"x" * 5000, b"\xff"),
}  # fmt: skip


def headers(fuzz: Fuzz, fields: Pairs) -> None:
    """Change the headers of a request in place: most requests keep what they had."""
    while fuzz.chance(0.45):
        fuzz.random.choice((_add, _add, _add, _repeat, _bend, _drop, _many))(fuzz, fields)


def _add(fuzz: Fuzz, fields: Pairs) -> None:
    name = fuzz.random.choice(tuple(_READ))
    value = fuzz.random.choice(_READ[name]) if fuzz.chance(0.7) else fuzz.nasty()
    fields.append((name if fuzz.chance(0.95) else fuzz.nasty(), value))


def _repeat(fuzz: Fuzz, fields: Pairs) -> None:
    if fields:
        fields.append(fuzz.random.choice(fields))


def _bend(fuzz: Fuzz, fields: Pairs) -> None:
    if not fields:
        return
    at = fuzz.random.randrange(len(fields))
    name, value = fields[at]
    fields[at] = (fuzz.edited(name), value) if fuzz.chance(0.15) else (name, fuzz.edited(value))


def _drop(fuzz: Fuzz, fields: Pairs) -> None:
    if fields:
        del fields[fuzz.random.randrange(len(fields))]


def _many(fuzz: Fuzz, fields: Pairs) -> None:
    if fuzz.chance(0.2):
        fields += [(b"X-%d" % number, b"x" * 20) for number in range(fuzz.random.choice((50, 99, 101, 2000)))]


def unframed(fuzz: Fuzz, line: bytes, fields: Pairs, body: bytes) -> bytes:
    """A request whose length or coding is wrong, doubtful or chunked, or that is cut off or changed anywhere."""
    kept = [(name, value) for name, value in fields if name.lower() != b"content-length"]
    length = b"Content-Length: %d\r\n" % len(body)
    chunks = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n" if body else b"0\r\n\r\n"
    head = line + b"".join(name + b": " + value + b"\r\n" for name, value in kept)
    chunked = b"Transfer-Encoding: chunked\r\n"
    made = (
        lambda: head + chunked + b"\r\n" + chunks,
        lambda: head + chunked + b"\r\n" + fuzz.edited(chunks),
        lambda: head + chunked + b"Trailer: X\r\n\r\n" + chunks[:-2] + b"X: " + fuzz.nasty() + b"\r\n\r\n",
        lambda: head + b"Transfer-Encoding: " + fuzz.nasty() + b"\r\n" + length + b"\r\n" + body,
        lambda: head + b"Content-Length: " + fuzz.nasty() + b"\r\n\r\n" + body,
        lambda: head + b"Content-Length: %d\r\n\r\n" % (len(body) + fuzz.random.choice((-1, 1, 9999))) + body,
        lambda: head + b"Expect: 100-continue\r\n" + length + b"\r\n" + body,
        lambda: head + b"Expect: " + fuzz.nasty() + b"\r\n" + length + b"\r\n" + body,
        lambda: head + b"Connection: " + fuzz.nasty() + b"\r\nUpgrade: h2c, websocket\r\n" + length + b"\r\n" + body,
        lambda: fuzz.edited(head + length + b"\r\n" + body),
        lambda: fuzz.edited(fuzz.edited(head + length + b"\r\n" + body)),
        lambda: fuzz.random.randbytes(fuzz.random.randrange(1, 400)),
    )
    return fuzz.random.choice(made)()
