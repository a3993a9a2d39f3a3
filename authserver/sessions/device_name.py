"""The name of a device, as its session keeps it. Devices and their users make these names up, so every text is accepted."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: In characters.
LENGTH: Final = 100
# Longer texts are cut before NFC, which takes 8 s for one letter with 100,000 accents.
_LONGEST_READ: Final = 1000

_JOINERS: Final = "\u200c\u200d"  # within emoji, and within words of Persian and of Indian languages
# Blanks, and letters that look like one.
_BLANKS: Final = re.compile(r"[\s\u115f\u1160\u2800\u3164\uffa0]+")
# Control, format (with bidi controls and tags), surrogate, private use, line and paragraph separators. Unassigned
# characters stay: emoji that are newer than this Python's tables are among them.
_LEFT_OUT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_REPLACED: Final = re.compile("\ufffd+")  # what was no UTF-8, such as half of an emoji
_VIRAMA: Final = 9  # the combining class of signs that join two consonants to one


def cleaned(text: str) -> str:
    """The text in NFC, with single blanks, without invisible characters that could change how a page or a log reads.

    It is cut to `LENGTH`, if possible between two characters as people see them. It is empty if nothing is left to see.
    """
    text = _BLANKS.sub(" ", text.lstrip()[:_LONGEST_READ])
    text = unicodedata.normalize("NFC", "".join(character for character in text if _stays(character)))
    text = _REPLACED.sub("\ufffd", _BLANKS.sub(" ", text)).strip(_JOINERS + " ")
    return text[: _end(text)].strip(_JOINERS + " ")


def _stays(character: str) -> bool:
    if character in _JOINERS:
        return True
    code = ord(character)
    invisible = 0xE0000 <= code <= 0xE0FFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    return not invisible and unicodedata.category(character) not in _LEFT_OUT


def _end(text: str) -> int:
    """Where to cut. Most clusters of UAX 29 stay whole; one that is longer than all the room does not."""
    end = min(len(text), LENGTH)
    while 0 < end < len(text) and _is_within_cluster(text, end):
        end -= 1
    return end or LENGTH


def _is_within_cluster(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if after in _JOINERS or before == "\u200d" or unicodedata.category(after) in {"Mn", "Mc", "Me"}:
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or unicodedata.combining(before) == _VIRAMA:  # the tones of skin
        return True
    flags = re.search("[\U0001f1e6-\U0001f1ff]*$", text[:place])  # two letters make a flag
    return "\U0001f1e6" <= after <= "\U0001f1ff" and flags is not None and len(flags[0]) % 2 == 1
