"""The origin that authserver expects for an address is the one that Chromium has for it."""

from __future__ import annotations

from playwright.sync_api import Page

from authserver.urls import origin_of
from tests.support.spellings import NOWHERE, SENT_AS, SENT_UNCHANGED

_ORIGIN = "text => { try { return new URL(text).origin; } catch { return null; } }"


def test_chromium_has_the_same_origin_for_every_spelling(page: Page):
    spellings = [*SENT_AS, *SENT_UNCHANGED]
    assert {text: page.evaluate(_ORIGIN, text) for text in spellings} == {text: origin_of(text) for text in spellings}


def test_chromium_has_no_address_for_what_is_refused(page: Page):
    assert [text for text in NOWHERE if page.evaluate(_ORIGIN, text) is not None] == []
