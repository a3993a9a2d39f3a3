"""Device names of all kinds are cleaned: nothing of them can change how a page, a log or a list reads."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.sessions.device_name import LENGTH, cleaned

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Anna\u2019s iPhone", "Anna\u2019s iPhone"),
        ("Anna\u2019s MacBook\u00a0Pro", "Anna\u2019s MacBook Pro"),
        ("👩\u200d💻 phone", "👩\u200d💻 phone"),
        ("\U0001fae8 \U0001faea", "\U0001fae8 \U0001faea"),  # emoji that are newer than Python's tables
        ("گوشی\u200cمن", "گوشی\u200cمن"),
        ("\u200eiPhone\ufeff", "iPhone"),
        ("\t Anna \r\n 's\u2003phone\u2028", "Anna 's phone"),
        ("a\0b\x1b[31mc\x7f\u0085d", "ab[31mc d"),
        ("a\u202eb\u2066c\u2069\u061cd", "abcd"),
        ("e\u0301", "é"),
        ("e\u200e\u0301", "é"),
        ("\U000e0041\ufdd0\U0010ffff\ue000x", "x"),
        ("half \ufffd\ufffd\ufffd", "half \ufffd"),
        ("\ud83d", ""),
        ("", ""),
        (" \u200d\u3164\u2800 ", ""),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_a_device_name_keeps_what_people_see(given_name: str, kept: str):
    assert cleaned(given_name) == kept


@pytest.mark.parametrize(
    ("last", "whole"),
    [
        ("é", True),
        ("\u00e9\u0323\u0302", False),
        ("👩\u200d💻", False),
        ("👍\U0001f3fd", False),
        ("🇩🇪", False),
        ("क्ष", False),
        ("\u2764\ufe0f", False),
    ],
)
def test_a_long_name_is_cut_between_two_characters_as_people_see_them(last: str, *, whole: bool):
    assert cleaned("a" * (LENGTH - 1) + last + "tail") == "a" * (LENGTH - 1) + (last if whole else "")


def test_flags_are_cut_in_pairs():
    assert cleaned("🇩🇪" * 60) == "🇩🇪" * 50
    assert cleaned("a" + "🇩🇪" * 60) == "a" + "🇩🇪" * 49


def test_one_letter_with_a_hundred_thousand_accents_is_cut_at_once():
    began = time.monotonic()
    assert len(cleaned("a" + "\u0301" * 100_000)) == LENGTH
    assert time.monotonic() - began < 1  # NFC of all of it takes 8 s


@given(st.text(max_size=300))
def test_every_text_becomes_a_harmless_one(text: str):
    kept = cleaned(text)
    assert len(kept) <= LENGTH
    assert cleaned(kept) == kept
    assert kept == kept.strip() == unicodedata.normalize("NFC", kept)
    assert "  " not in kept
    left = {unicodedata.category(character) for character in kept if character not in JOINERS}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
