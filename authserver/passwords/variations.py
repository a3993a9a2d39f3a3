"""What a password comes down to: the words that it is a simple variation of, and the words of its user and this service.

NIST SP 800-63B-4 section 3.1.1.2 compares the whole password, and names "derivatives" of words. So a variation is the
whole password too: a word with another case, with other signs for letters, or with few signs around it. A long password
that only contains a word is none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

#: So many further characters leave a password as easy to guess as the word: a year and a sign, or "12345".
FEW = 5

_SEPARATORS = str.maketrans("", "", " ._-@")
# "1" and "|" stand for two letters.
_READINGS = tuple(str.maketrans("0134578@$!|+€", letters) for letters in ("oieastbasiite", "oleastbasilte"))
_SHORTEST_NAME = 3
_SHORTEST_PART = 4


def fold(text: str) -> str:
    """The text without what people do not see as another password: case, compatibility forms, invisible signs."""
    seen = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())


def spellings(folded: str) -> Iterator[str]:
    """The folded password as it is, and with letters in place of digits and signs, with separators and without."""
    readings = (folded, *(folded.translate(reading) for reading in _READINGS))
    yield from dict.fromkeys(text for reading in readings for text in (reading, reading.translate(_SEPARATORS)))


def cores(folded: str) -> Iterator[str]:
    """What is left of a folded password without up to `FEW` digits and signs at its ends; the whole first."""
    most = len(folded) - 1
    before = next((n for n in range(min(FEW, most)) if folded[n].isalpha()), min(FEW, most))
    behind = next((n for n in range(min(FEW, most)) if folded[-1 - n].isalpha()), min(FEW, most))
    for start in range(before + 1):
        for end in range(min(behind, FEW - start) + 1):
            yield folded[start : len(folded) - end]


def names(username: str | None, email: str | None, issuer: str) -> Mapping[str, str]:
    """The folded words that others expect in a password, each with what it is, longest first.

    `username` may be the address, for a user who has only that.
    """
    found: dict[str, str] = {}
    local, _, domain = (email or "").rpartition("@")
    found["authserver"] = "the name of this service"
    for host, what in ((urlsplit(issuer).hostname or "", "the name of this service"), (domain, "the e-mail address")):
        found |= dict.fromkeys((*_parts(host.rpartition(".")[0] or host), fold(host).translate(_SEPARATORS)), what)
    for person, what in ((local, "the e-mail address"), ("" if username == email else username or "", "the user name")):
        found |= dict.fromkeys((*_parts(person), fold(person).translate(_SEPARATORS)), what)
    return {name: found[name] for name in sorted(found, key=len, reverse=True) if len(name) >= _SHORTEST_NAME}


def main_name(folded: str, known: Mapping[str, str]) -> str | None:
    """What the folded password is little more than: names, and few further characters. None if it is more."""
    for spelling in spellings(folded):
        rest, found = spelling, ""
        for name, what in known.items():
            if name in rest:
                rest, found = rest.replace(name, ""), found or what
        # Letters around a short name make another word: "startup9" is not a variation of "art".
        most = min(FEW, len(spelling) - len(rest)) if any(map(str.isalpha, rest)) else FEW
        if found and len(rest) <= most:
            return found
    return None


def _parts(name: str) -> list[str]:
    """The longer words of a name, an address or a host."""
    words = "".join(character if character.isalnum() else " " for character in fold(name)).split()
    return [word for word in words if len(word) >= _SHORTEST_PART and not word.isdigit()]
