"""A mistake in the configuration is named with the address and what to do, in the error and once in the log."""

import logging
import socket

import pytest

from authserver_resource import VerificationError, Verifier
from authserver_resource.errors import FetchError

AUDIENCE = "https://api.example.com"
METADATA = "/.well-known/oauth-authorization-server"
LIST = "/status/0"


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


MISTAKES = {
    "a slash at the end": (
        lambda issuer: issuer.url + "/",
        [METADATA, "name the issuer '{url}'", "'{url}/'", "exactly"],
    ),
    "another name of the host": (
        lambda issuer: issuer.url.replace("127.0.0.1", "localhost"),
        ["http://localhost:", METADATA, "name the issuer '{url}'", "exactly as the metadata name it"],
    ),
    "a wrong path": (lambda issuer: issuer.url + "/auth", [METADATA + "/auth", "404 Not Found", "path"]),
    "a port where nothing listens": (
        lambda issuer: f"http://127.0.0.1:{unused_port()}",
        [METADATA, "ConnectionRefusedError", "nothing listens there", "port is wrong"],
    ),
    "https where http is spoken": (
        lambda issuer: issuer.url.replace("http:", "https:"),
        ["https://127.0.0.1:", METADATA, "no TLS", "begins with http://"],
    ),
    "a host that does not exist": (
        lambda issuer: "https://no-such-host.invalid",
        ["https://no-such-host.invalid" + METADATA, "cannot be resolved", "misspelt"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_issuer_is_named_with_the_address_and_the_way_out(issuer, caplog, name):
    Verifier(issuer.url, AUDIENCE, timeout=60).warm_up()
    assert not caplog.records
    make, expected = MISTAKES[name]
    wrong = Verifier(make(issuer), AUDIENCE, timeout=60)
    for call in (wrong.warm_up, lambda: wrong.verify(issuer.token())):
        with pytest.raises(VerificationError) as caught:
            call()
        assert caught.value.code == "keys_unavailable"
        for part in [text.format(url=issuer.url) for text in expected]:
            assert part in caught.value.text
            assert part in str(caught.value.__cause__)
            assert part in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((500, b""), "answered 500 Internal Server Error"),
        ((799, b""), "answered 799"),
        ((302, b"", [("Location", "https://elsewhere.example")]), "to 'https://elsewhere.example': redirects are not"),
        ((200, b"<html>Log in"), "not JSON but a page"),
        ((200, b"[]"), "no metadata of an issuer"),
        ((200, b'{"issuer": "x\\ny"}'), r"name the issuer 'x\ny'"),
        ((200, b" " * (2 * 1024 * 1024 + 1)), "larger than 2 MiB"),
        ((403, b""), "answered 403 Forbidden"),
    ],
)
def test_an_answer_that_cannot_be_used_is_described_in_one_line(issuer, verifier, answer, expected):
    issuer.answers[METADATA] = answer
    with pytest.raises(VerificationError) as caught:
        verifier.warm_up()
    assert f"'{issuer.url}{METADATA}': " in caught.value.text
    assert expected in caught.value.text
    assert caught.value.text.isprintable()


def test_a_key_set_and_a_list_that_cannot_be_had_say_why(issuer, make_verifier, caplog):
    issuer.answers["/jwks"] = 404, b""
    with pytest.raises(VerificationError, match=f"'{issuer.url}/jwks': the server answered 404") as caught:
        make_verifier().verify(issuer.token())
    assert isinstance(caught.value.__cause__, FetchError)
    assert caught.value.__cause__.__cause__.code == 404
    issuer.answers = {LIST: (200, issuer.status_list(sub="another").encode())}
    with pytest.raises(VerificationError, match=f"'{issuer.url}{LIST}': the status list is another one") as caught:
        make_verifier(status="fail_closed").verify(issuer.token())
    assert isinstance(caught.value.__cause__, FetchError)
    issuer.answers[LIST] = 503, b""
    caplog.clear()
    assert make_verifier().verify(issuer.token())  # fail_open accepts it, and the log says so
    assert f"a status list cannot be had: '{issuer.url}{LIST}': the server answered 503" in caplog.text


def test_introspection_says_why_it_fails_and_nothing_of_token_or_secret(issuer, make_verifier, caplog):
    token = issuer.opaque()
    with pytest.raises(VerificationError, match=r"/introspect': the server answered 401.*client id") as caught:
        make_verifier(introspection=("the-api", "a-wrong-secret")).verify(token)
    cause = caught.value.__cause__
    assert isinstance(cause, FetchError)
    # A collector of errors shows the variables of frames, and those of the request hold the secret.
    assert cause.__cause__.__traceback__ is None
    seen = f"{caplog.text} {caught.value} {cause!r} {cause.__cause__!r}"
    assert "401" in caplog.text
    assert token not in seen
    assert "a-wrong-secret" not in seen


def test_an_outage_writes_one_line_of_each_kind_a_minute(issuer, verifier, clock, caplog):
    token = issuer.token(exp=int(clock()) + 9000)
    verifier.verify(token)
    issuer.stop()
    for _ in range(300):
        clock.advance(3)
        verifier.verify(token)
    kinds = [record.getMessage().partition(" cannot")[0] for record in caplog.records]
    assert kinds.count("a status list") == 1
    assert len(kinds) == len(set(kinds))
    assert {(record.name, record.levelno) for record in caplog.records} == {("authserver_resource", logging.WARNING)}
    assert token not in caplog.text
