"""An origin that no browser sends is refused with the text that says what to write."""

from __future__ import annotations

import pytest

from authserver.clients.origins import problems
from tests.support.spellings import NOWHERE, SENT_AS, SENT_UNCHANGED


def told(origin: str) -> str | None:
    """What is said about an origin; None if it may be registered."""
    texts = [problem.text for problem in problems("json", frozenset({origin}), public=True)]
    return texts[0] if texts else None


@pytest.mark.parametrize("origin", SENT_UNCHANGED)
def test_an_origin_as_browsers_send_it_is_accepted(origin: str):
    assert told(origin) is None


@pytest.mark.parametrize("origin", SENT_AS)
def test_another_spelling_is_refused_with_the_one_that_browsers_send(origin: str):
    assert f"browsers send {SENT_AS[origin]} for it: write that" in (told(origin) or "")
    assert told(SENT_AS[origin]) is None


@pytest.mark.parametrize("origin", ["*", "https://*", "https://*.example.com", "https://app.example.com:*"])
def test_a_pattern_is_refused(origin: str):
    assert "there are no patterns, so write each origin in full" in (told(origin) or "")


@pytest.mark.parametrize("origin", ["null", "NULL"])
def test_null_is_refused_because_it_could_be_any_page(origin: str):
    assert "could be any page" in (told(origin) or "")


@pytest.mark.parametrize(
    "origin",
    [*NOWHERE, "", "file:///index.html", "app.example.com", "localhost:3000", "//app.example.com", "app://shop",
     "https://app.example.com:0", "https://a..example", "https://a\\b", "https://a b.example", "https://a.example,https://b.example",
     "https://ex\u00adample.com", "data:text/html,x", "https://app.example.com\0"],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(origin: str):
    assert "is no origin of a web page" in (told(origin) or "")


def test_plain_http_is_refused_off_this_machine():
    assert "plain http" in (told("http://app.example.com") or "")


CJK = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))


@pytest.mark.parametrize(
    "host",
    [CJK, CJK[:64], "%E4%B8%AD" * 7000, "a\u0301\u0323" * 20_000, "a" * 64, ".".join(["a" * 63] * 5)],
    ids=["letters", "a long label", "percent-encoded", "accents", "ASCII", "a long name"],
)
def test_a_host_that_is_too_long_for_a_name_is_refused_at_once(host: str):
    """Punycode takes a minute for 20,000 letters."""
    assert "browsers send https://xn--4gqcd.example for it" in (told(f"https://{CJK[:3]}.example") or "")
    assert "its host is longer than 253 characters, or a part of it than 63" in (told(f"https://{host}.example") or "")


def test_an_origin_that_a_client_has_may_stay_and_no_other_of_its_kind_is_added():
    had = frozenset({"https://*.example.com"})
    assert list(problems("json", had, had, public=True)) == []
    assert len(list(problems("json", had | {"https://*.example.org"}, had, public=True))) == 1
