"""Every stored code has its words."""

from __future__ import annotations

import pytest

from authserver.administration.words import COUNTS, ENDS, EVENTS, KEY_KINDS, KEY_STATES
from authserver.keys.model import Kind, State
from authserver.records.audit import Event
from authserver.sessions.model import End
from authserver.throttling.policy import Kind as Counted
from authserver.throttling.viewing import STRANGERS


@pytest.mark.parametrize(("values", "words"), [(End, ENDS), (Kind, KEY_KINDS), (State, KEY_STATES)])
def test_every_value_has_its_words(values: type, words: dict[str, str]):
    assert set(values) == words.keys()


def test_every_event_has_its_words():
    assert {event.value for event in Event} <= EVENTS.keys()
    assert len(set(EVENTS.values())) == len(EVENTS)


def test_every_count_has_its_words():
    assert COUNTS.keys() == {kind.name.lower() for kind in Counted} | {STRANGERS}
