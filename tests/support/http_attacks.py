"""Requests that two servers could read differently, by kind: a request with a gap, what honestly fills it, what attacks.

The kinds follow RFC 9112 section 11.2 (smuggling) with the sections that each names, and what was published: CL.TE and
TE.CL (Linhart 2005, Kettle 2019), TE.0 and 0.CL (2024, 2025), chunk extensions and bare line ends (Kallus, http-garden;
CVE-2025-22871, CVE-2025-43859), signs and prefixes of numbers (CVE-2024-23452, CVE-2023-33934), Expect (2025).
"""

from dataclasses import dataclass

GAP = b"<>"
SMUGGLED = b"GET /seen/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
BEHIND = b"GET /seen/behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
GET = b"GET /seen/first HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /seen/first HTTP/1.1\r\nHost: a\r\n"
N = len(SMUGGLED)
SIZE, LENGTH = b"%x" % N, b"Content-Length: %d" % N
CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = SIZE + b"\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Kind:
    """`attacks` are refused. With `honest` in the gap the request is answered."""

    name: str
    section: str  # of RFC 9112, or what else it follows
    around: bytes
    honest: bytes
    attacks: tuple[bytes, ...]

    def filled(self, piece: bytes) -> bytes:
        return self.around.replace(GAP, piece, 1)


def _each(form: bytes, *values: bytes) -> tuple[bytes, ...]:
    return tuple(form.replace(b"?", value, 1) for value in values)


n = b"%d" % N
KINDS = (
    Kind(
        "length",
        "6.3",
        POST + b"<>\r\n\r\n" + SMUGGLED,
        LENGTH,
        (
            *_each(b"Content-Length: ?", b"+" + n, b"-1", b"-" + n, b"0x2a", b"0o52", b"4_2", n + b".0", b"4e1", b'"42"'),
            *_each(b"Content-Length: ?", n + b"," + n, n + b", 0", b"0, " + n, n + b" " + n, n + b";", n + b",", b"," + n),
            *_each(b"Content-Length: ?", b"9" * 30, b"%d" % (2**64 + N), b"%d" % (2**63), b"", b" ", b"\t", b"a", b"1001"),
            *_each(b"Content-Length: ?", "٤٢".encode(), "\uff14\uff12".encode(), b"\xb2", b"\x0b" + n, n + b"\x0b", n + b"\x00"),
            *_each(b"Content-Length?: " + n, b" ", b"\t", b"\x0b", b"\x00", b"\xa0", b"\r", b"\n"),
            *_each(b"?" + LENGTH, b" ", b"\t", b"X: a\n", b"X: a\r", b"X: a\r\n ", b"\x00", b"\r", b"\xef\xbb\xbf"),
            *_each(LENGTH + b"\r\nContent-Length: ?", n, b"0", b"1", b""),
            *_each(b"Content-Length: ?\r\n" + LENGTH, b"0", b"1", b"", b"+" + n),
            b"Content-Length:\r\n " + n,
        ),
    ),
    Kind(
        "coding",
        "6.1, 7",
        POST + b"<>\r\n\r\n" + IN_CHUNKS,
        CHUNKED,
        (
            *_each(b"Transfer-Encoding: ?", b"xchunked", b"chunkedx", b"identity", b"gzip", b"x", b"", b"chunk", b"chunked\x00"),
            *_each(b"Transfer-Encoding: ?", b"chunked, identity", b"identity, chunked", b"gzip, chunked", b"chunked, gzip"),
            *_each(b"Transfer-Encoding: ?", b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1", b'"chunked"'),
            *_each(b"Transfer-Encoding: ?", b"\x0bchunked", b"chunked\x0b", b"\x0cchunked", b"\xa0chunked", b"chunked\x85"),
            *_each(b"Transfer-Encoding: ?", b"'chunked'", b"chu\xc5\x86ked", b"chunked\x01", b"\xef\xbb\xbfchunked", b"(a)chunked"),
            *_each(b"Transfer-Encoding?: chunked", b" ", b"\t", b"\x0b", b"\x00", b"\xa0", b"\r", b"\n", b"\r\n"),
            *_each(b"?" + CHUNKED, b" ", b"\t", b"X: a\n", b"X: a\r", b"X: a\r\n ", b"X: a\x00", b"\x00", b"\xa0"),
            *_each(CHUNKED + b"\r\nTransfer-Encoding: ?", b"chunked", b"x", b"identity", b""),
            *_each(b"Transfer-Encoding: ?\r\n" + CHUNKED, b"x", b"identity", b"gzip", b""),
            *_each(b"Transfer-Encoding:?chunked", b"\r\n ", b"\n ", b"\n", b"\r"),
            b"Transfer Encoding: chunked",
            b"Transfer\xe2\x80\x90Encoding: chunked",
        ),
    ),
    Kind(
        "both",
        "6.1: CL.TE, TE.CL, CL.0, 0.CL",
        POST + b"<>\r\n\r\n0\r\n\r\n" + SMUGGLED,
        b"Content-Length: %d" % (N + 5),
        (
            *_each(b"Content-Length: ?\r\n" + CHUNKED, b"5", b"4", b"0", b"%d" % (N + 5), b"9999"),
            *_each(CHUNKED + b"\r\nContent-Length: ?", b"5", b"4", b"0", b"%d" % (N + 5), b"9999"),
            *_each(b"Content-Length: 5\r\nTransfer-Encoding: ?", b"CHUNKED", b"\tchunked", b"xchunked", b"identity", b""),
            *_each(b"Content-Length: 5\r\nTransfer-Encoding?: chunked", b" ", b"\t", b"\x0b", b"\x00"),
            *_each(b"Content-Length: 5\r\n?" + CHUNKED, b" ", b"X: a\n", b"X: a\r", b"\x0b"),
            b"content-length: 5\r\nTRANSFER-ENCODING: chunked",
        ),
    ),
    Kind(
        "chunk size",
        "7.1",
        POST + CHUNKED + b"\r\n\r\n<>\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
        SIZE,
        (
            *_each(b"?" + SIZE, b"+", b"-", b"0x", b"0X", b" ", b"\t", b"_", b"#", b"$", b"&h", b"\x00", b"\r\n", b"\n", b";"),
            *_each(SIZE + b"?", b" ", b"\t", b"_", b"h", b",", b".0", b"\x00", b"\x0b", b"\n", b"\r", b"\xa0", b";", b";;", b" ;a"),
            *_each(SIZE + b";?", b"a\rb", b"a\nb", b'a="\n"', b'a="\r\n"', b"a\x00", b"\n", b"a\n" + SMUGGLED, b"a=b\x01"),
            *_each(b"?", b"", b"g", b"2_a", b"2 a", "٢a".encode(), b"1" + b"0" * 14 + SIZE, b"f" * 16, b"f" * 17, b"8" + b"0" * 15),
            b"0" * 21_000 + SIZE,
            b"3e9",
        ),
    ),
    Kind(
        "chunk end",
        "7.1",
        POST + CHUNKED + b"\r\n\r\n" + SIZE + b"\r\n" + SMUGGLED + b"<>0\r\n\r\n",
        b"\r\n",
        (b"", b"\n", b"\r", b"\r\r\n", b"\n\r", b"x\r\n", b"xx", b" \r\n", b"\n\r\n", b"\x00\r\n", b"\r\n\r\n", b"\r\n "),
    ),
    Kind(
        "last chunk",
        "7.1.2, 6.5",
        POST + CHUNKED + b"\r\n\r\n" + SIZE + b"\r\n" + SMUGGLED + b"\r\n<>",
        b"0\r\n\r\n",
        (
            *_each(b"0?", b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\r\n\r\n", b"\r\r", b" \r\n\r\n", b"x0\r\n\r\n"),
            *_each(b"?0\r\n\r\n", b"-", b"+", b"\n", b" "),
            *_each(b"0\r\n?\r\n\r\n", b"X: a\nY: b", b"X : a", b" X: a", b"X: a\r\n b", b"X", b": a", b"X: a\x00", b"X\x00: a"),
            *_each(b"0\r\n?\r\n\r\n", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"X: " + b"x" * 21_000),
        ),
    ),
    Kind(
        "path",
        "RFC 3986 6.2.2.2",
        b"GET <>/first HTTP/1.1\r\nHost: a\r\n\r\n",
        b"/seen",
        (
            b"//seen", b"/seen/", b"/%2fseen", b"/seen%2F", b"/%73een", b"/see%6E", b"/%53een", b"/seen/%2e", b"/seen/%2E%2e",
            b"/seen/%30", b"http://a//seen", b"http://a/%73een", b"/seen%2f..%2fseen",
        ),
    ),
    Kind(
        "line end",
        "2.2",
        b"GET /seen/first HTTP/1.1\r\nHost: a<>X: b\r\n\r\n",
        b"\r\n",
        (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\x00\r\n", b"\x0b\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r", b"\r\n\n", b"\x85"),
    ),
    Kind(
        "end of the head",
        "2.2",
        GET + b"X: b<>",
        b"\r\n\r\n",
        (b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\r\n\r\n", b"\r\n\r\r\n", b"\r\r", b"\r\n \r\n", b"\r\n\t\r\n", b"\r\n\x00\r\n"),
    ),
    Kind(
        "header line",
        "5.1, 5.2; RFC 9110 5.5",
        GET + b"<>\r\n\r\n",
        b"X: b",
        (
            *_each(b"?: b", b" X", b"\tX", b"X ", b"X\t", b"", b"X\x00", b"X\x0b", b"\xff", b"X(", b"X[", b'"X"', b"X\r\n", b"X;a"),
            *_each(b"X: a?b", b"\x00", b"\x01", b"\x0b", b"\x1b", b"\x7f", b"\r", b"\n", b"\r\n ", b"\r\n\t", b"\r\r\n"),
            b"X",
            b"X: " + b"x" * 17_000,
            b"X: x\r\n" * 4_000 + b"X: x",
        ),
    ),
    Kind(
        "request line",
        "3, 2.3; RFC 9110 7.1",
        b"<>\r\nHost: a\r\n\r\n",
        b"GET /seen/first HTTP/1.1",
        (
            *_each(b"GET /seen/first HTTP/?", b"0.9", b"1.2", b"1.10", b"2.0", b"3.0", b"01.1", b"1.01", b"1.", b"1", b"1,1", b"+1.1"),
            *_each(b"GET /seen/first?", b"", b" ", b" http/1.1", b" HTTP /1.1", b" HTTP/1.1 ", b" HTTP/1.1\t", b" HTTP/1.1x"),
            *_each(b"GET /seen/first ?", b"RTSP/1.0", b"ICE/1.0", b"HTTPS/1.1", b"FTP/1.1", b"HTTP/1.1 HTTP/1.1", b"\x0bHTTP/1.1"),
            *_each(b"GET?/seen/first HTTP/1.1", b"  ", b"\t", b"\x0b", b"\x0c", b"\r", b"\n", b"", b"\x00", b" \xa0"),
            *_each(b"GET /seen/first?HTTP/1.1", b"  ", b"\t", b"\x0b", b"\r", b"\n", b" \xa0"),
            *_each(b"? /seen/first HTTP/1.1", b"get", b"FOO", b" GET", b"\tGET", b"G\x00T", b"GET:", b"", b"CONNECT", b"PRI"),
            *_each(b"GET /seen/?first HTTP/1.1", b" ", b"\t", b"\x00", b"\x7f", b"\xff", b"\xc3\xa9", b"#", b"\x01"),
            *_each(b"GET ? HTTP/1.1", b"*", b"seen/first", b"a:80", b"?x", b"\\seen", b"./seen/first", b"#", b"//a/seen/first#x"),
            *_each(b"GET ?/seen/first HTTP/1.1", b"http://b", b"http://", b"http:/", b"http://u@a", b"http://a@b", b"ftp://a", b"a"),
            *_each(b"? HTTP/1.1", b"CONNECT a:80", b"OPTIONS **", b"POST *", b"GET http://a:b/", b"GET http://a\\b/", b"GET http://[/"),
            b"PRI * HTTP/2.0",
            b"DESCRIBE /seen/first RTSP/1.0",
            b"\x16\x03\x01\x02\x00\x01",
            b"GET /" + b"x" * 17_000 + b" HTTP/1.1",
        ),
    ),
    Kind(
        "host",
        "3.2",
        b"GET /seen/first HTTP/1.1\r\n<>X: b\r\n\r\n",
        b"Host: a\r\n",
        (
            b"",
            b"Host: a\r\nHost: a\r\n",
            b"Host: a\r\nHost: b\r\n",
            b"Host: a\r\nhost: b\r\n",
            *_each(b"Host: ?\r\n", b"", b" ", b"u@a", b"u:p@a", b"a,b", b"a, b", b"a b", b"a/b", b"a?b", b"a#b", b"http://a", b"\xff"),
            *_each(b"Host: ?\r\n", b"[::1", b"::1", b"[::1]a", b"a:b", b"a:80:80", b"a:-1", b"a\x00", b"a\tb", b'"a"', b":80", b"a\\b"),
            *_each(b"Host?: a\r\n", b" ", b"\t", b"\x00"),
        ),
    ),
    Kind(
        "version of chunks",
        "6.1",
        b"POST /seen/first <>\r\nHost: a\r\n" + CHUNKED + b"\r\n\r\n" + IN_CHUNKS,
        b"HTTP/1.1",
        (b"HTTP/1.0", b"HTTP/0.9"),
    ),
    Kind(
        "size of the body",
        "RFC 9110 15.5.14",
        POST + b"<>" + SMUGGLED,
        b"Content-Length: 500\r\n\r\n" + b"x" * (500 - N),
        (
            b"Content-Length: 1001\r\n\r\n" + b"x" * (1001 - N),
            b"Content-Length: 99999999\r\n\r\n",
            b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
            b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n" + b"x" * (1001 - N),
            CHUNKED + b"\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n" + SIZE + b"\r\n",
        ),
    ),
)  # fmt: skip

# Served as the sender framed them: what the application gets to see of each, as method, path and size of the body.
SERVED: dict[str, tuple[bytes, list[str]]] = {
    "upper case coding (7)": (POST + b"TRANSFER-ENCODING: ChunKed\r\n\r\n" + IN_CHUNKS, [f"POST first {N}"]),
    "white space before the coding (5.1)": (POST + b"Transfer-Encoding:\tchunked\r\n\r\n" + IN_CHUNKS, [f"POST first {N}"]),
    "white space around the length (5.1)": (POST + b"Content-Length:\t %d \t\r\n\r\n" % N + SMUGGLED, [f"POST first {N}"]),
    "zeros before the length (RFC 9110 8.6)": (POST + b"Content-Length: 00%d\r\n\r\n" % N + SMUGGLED, [f"POST first {N}"]),
    "zeros before the size (7.1)": (POST + CHUNKED + b"\r\n\r\n000" + IN_CHUNKS, [f"POST first {N}"]),
    "upper case size (7.1)": (POST + CHUNKED + b"\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", ["POST first 10"]),
    "extensions (7.1.1)": (POST + CHUNKED + b'\r\n\r\na;b;c="d"\r\n0123456789\r\n0;e\r\n\r\n', ["POST first 10"]),
    "trailers (7.1.2)": (POST + CHUNKED + b"\r\n\r\n0\r\nHost: b\r\nX: c\r\n\r\n", ["POST first 0"]),
    "empty lines in a chunk (7.1)": (POST + CHUNKED + b"\r\n\r\n8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", ["POST first 8"]),
    "the end of chunks in a chunk (7.1)": (POST + CHUNKED + b"\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", ["POST first 5"]),
    "no body without a length (6.3)": (POST + b"\r\n" + SMUGGLED, ["POST first 0", "GET smuggled 0"]),
    "underscores": (POST + b"Content_Length: 9\r\nTransfer_Encoding: chunked\r\n\r\n" + SMUGGLED, ["POST first 0", "GET smuggled 0"]),
    "GET with a body (RFC 9110 9.3.1)": (GET + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"GET first {N}"]),
    "HEAD with a body (RFC 9110 9.3.2)": (GET.replace(b"GET", b"HEAD") + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"HEAD first {N}"]),
    "TRACE with a body": (GET.replace(b"GET", b"TRACE") + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"TRACE first {N}"]),
    "Expect with a body (RFC 9110 10.1.1)": (POST + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"POST first {N}"]),
    "Expect twice": (POST + b"Expect: 100-continue\r\n" * 2 + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"POST first {N}"]),
    "Expect another": (POST + b"Expect: y 100-continue\r\n" + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"POST first {N}"]),
    "Expect without a body": (GET + b"Expect: 100-continue\r\n\r\n", ["GET first 0"]),
    "h2c with a body (RFC 9110 7.8)": (POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n" + LENGTH + b"\r\n\r\n" + SMUGGLED, [f"POST first {N}"]),
    "h2c behind a request": (GET + b"\r\n" + POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CHUNKED + b"\r\n\r\n" + IN_CHUNKS, ["GET first 0", f"POST first {N}"]),
    "websocket": (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ["GET first 0"]),
    "empty lines in front (2.2)": (b"\r\n\r\n" + GET + b"\r\n", ["GET first 0"]),
    "a whole URL (3.2.2)": (b"GET http://A:80/seen/first HTTP/1.1\r\nHost: a:80\r\n\r\n", ["GET first 0"]),
    "the asterisk (3.2.4)": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", []),
    "encoded letters in a query": (b"GET /seen/first?%2e%2e%2f%61//b HTTP/1.1\r\nHost: a\r\n\r\n", ["GET first 0"]),
    "encoded line ends": (b"GET /%0d%0aX:%20b%00 HTTP/1.1\r\nHost: a\r\n\r\n", []),
    "other bytes in a value (RFC 9110 5.5)": (GET + b"X: \xff\xc3\xa9\r\n\r\n", ["GET first 0"]),
}  # fmt: skip
