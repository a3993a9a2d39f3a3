"""Values that programs trip over, and edits of bytes. All choices come from one seeded generator of random numbers."""

from __future__ import annotations

from base64 import b64encode
from random import Random
from urllib.parse import quote_from_bytes

#: Text and bytes that some reader somewhere took for something else.
NASTY: tuple[bytes, ...] = (
    b"", b" ", b"\t", b"\0", b"\x01", b"\x0b", b"\x1b[31m", b"\x7f", b"\x80", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae", b"\xf0\x9f\x92\xa3", "\u0130\u017f\u212a".encode(), "\ufdfa".encode() * 20, "e\u0301".encode() * 60,
    b"%", b"%0", b"%zz", b"%00", b"%25%30%30", b"%c0%80", b"%ed%a0%80", b"%ff", b"%u0041", b"%0d%0a", b"+", b"&", b"=", b";",
    b"../../etc/passwd", b"..%2f..%2f", b"%2e%2e/", b"..\\", b"/", b"//", b"\\", b"./.", b"?", b"#", b"?a=b", b"*",
    b"null", b"true", b"undefined", b"None", b"NaN", b"Infinity", b"-0", b"0", b"-1", b"1e999", b"1e-999", b"9" * 30,
    b"9" * 5000, b"2147483648", b"18446744073709551616", b"0x10", "\u0661\u0662".encode(), b"\xb2", b"1_000", b"01",
    b"' OR '1'='1", b'"; DROP TABLE sessions; --', b"{{7*7}}", b"${jndi:ldap://x/}", b"<script>alert(1)</script>",
    b"a\r\nX-Injected: yes", b"a\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"a\nb", b"x" * 300, b"x" * 5000, b"[]", b"{}", b"[",
    b"authserver:users:write", b"read write", b"read read", b" read ", b"a" * 64 + b" " + b"b" * 64,
    b"asrt_", b"asat_", b"asrt_" + b"A" * 96, b"eyJhbGciOiJub25lIn0.e30.", b"a.b.c", b"..", b"....", b"Bearer", b"Basic",
    b"00000000-0000-0000-0000-000000000000", b"urn:uuid:00000000-0000-0000-0000-000000000000", b"http://[::1", b"//evil",
    b"javascript:alert(1)", b"https://api.example.com", b"2026-02-30T25:61:61Z", b"9999-12-31T23:59:59Z", b"-9999-01-01",
)  # fmt: skip


class Fuzz:
    """Random choices and edits."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def nasty(self) -> bytes:
        return self.random.choice(NASTY)

    def edited(self, value: bytes) -> bytes:
        """The value with one small change: bits, bytes, a piece left out, doubled, moved, or put in from elsewhere."""
        at = self.random.randrange(len(value) + 1)
        end = min(len(value), at + self.random.choice((1, 1, 2, 4, 16, 64)))
        edits = (
            lambda: value[:at] + bytes(byte ^ 1 << self.random.randrange(8) for byte in value[at : at + 1]) + value[at + 1 :],
            lambda: value[:at] + self.random.randbytes(end - at) + value[end:],
            lambda: value[:at] + value[end:],
            lambda: value[:at],
            lambda: value[:end] + value[at:],
            lambda: value + value,
            lambda: value[:at] + self.nasty() + value[at:],
            lambda: value[:at] + self.nasty() + value[end:],
            value.swapcase,
            self.nasty,
        )  # fmt: skip
        return self.random.choice(edits)()

    def broken_token(self, token: bytes) -> bytes:
        """A genuine token with a few bits or characters changed, cut, or joined to another one. It is in no part of it."""
        while True:
            at = self.random.randrange(len(token))
            flipped = token[:at] + bytes([token[at] ^ 1 << self.random.randrange(7)]) + token[at + 1 :]
            other = self.random.choice(
                (flipped, token[:at], token[at:], token[1:] + token[:-1], token[:at] + self.nasty() + token[at:],
                 token.swapcase(), token.replace(b".", b"..", 1), self.edited(token))
            )  # fmt: skip
            if token not in other:
                return other

    def other_secret(self, secret: bytes) -> bytes:
        """A secret of the same form that differs in a third of its characters."""
        letters = b"abcdefghijkmnpqrstuvwxyz23456789"
        return bytes(self.random.choice(letters) if index % 3 == 0 else byte for index, byte in enumerate(secret))

    def escaped(self, value: bytes) -> bytes:
        """The value in a form body: as clients escape it, with every byte escaped, or raw."""
        if self.chance(0.1):
            return value
        if self.chance(0.1):
            return b"".join(b"%%%02x" % byte for byte in value)
        return quote_from_bytes(value, safe="").encode()

    def basic(self, client_id: bytes, secret: bytes) -> bytes:
        """The value of an `Authorization` header, sometimes in a form that no client should send."""
        pair = quote_from_bytes(client_id).encode() + b":" + quote_from_bytes(secret).encode()
        broken = (
            lambda: b"Basic " + b64encode(pair).rstrip(b"=") + b"===",
            lambda: b"Basic " + pair,
            lambda: b"Basic",
            lambda: b"basic\t" + b64encode(pair),
            lambda: b"Basic " + b64encode(pair) + b", Basic " + b64encode(pair),
            lambda: b"Basic " + b64encode(self.edited(pair)),
            lambda: b"Basic " + self.edited(b64encode(pair)),
            lambda: b"Basic " + b64encode(client_id),
            lambda: b"Basic " + b64encode(b":" + secret),
            lambda: b"Digest username=" + client_id,
            lambda: b"Bearer " + b64encode(pair),
        )
        return self.random.choice(broken)() if self.chance(0.3) else b"Basic " + b64encode(pair)
