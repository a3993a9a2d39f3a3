"""The rules for every new password (NIST SP 800-63B-4 section 3.1.1.2). They say nothing about present passwords.

There is no rule of composition. A password is refused for its length, or because attackers try it early.
"""

from __future__ import annotations

import unicodedata

from authserver.passwords.breached import is_breached
from authserver.passwords.common import is_common
from authserver.passwords.patterns import is_repetition, is_sequence, unit
from authserver.passwords.variations import cores, fold, main_name, names, spellings
from authserver.settings.model import Settings

#: The shortest and the longest password that the settings can allow, in characters.
PASSWORD_LENGTHS = (8, 256)

_ADVICE = "choose another one, such as several unrelated words"


def check_new_password(settings: Settings, text: str, *, username: str | None, email: str | None) -> None:
    """Check what a user or administrator would set as a password of the user of this name and address.

    Passwords are stored and compared exactly as sent, code point by code point. RFC 8265 section 4.2 (OpaqueString)
    would apply NFC and turn all spaces into plain ones. Then every imported hash and every other check of the same
    password would have to do so too, in the same version of Unicode, and a difference would lock users out without a
    visible reason. Only these rules look at a folded copy.

    Raises:
        ValueError: with a text that says what to do, and never contains the password.
    """
    limits = settings.passwords
    shortest, longest = limits.min_length, limits.max_length
    if not shortest <= len(text) <= longest:
        raise ValueError(f"a password has {shortest} to {longest} characters, not {len(text)}")
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in text):
        raise ValueError("a password has neither NUL nor surrogate characters: it has to be text in UTF-8")
    folded = fold(text)
    if limits.refuse_names and (what := main_name(folded, names(username, email, settings.issuer))):
        raise ValueError(f"it is little more than {what}, which attackers try first: {_ADVICE}")
    if limits.refuse_common and (is_sequence(folded) or any(map(is_repetition, cores(folded)))):
        raise ValueError(f"it is a sequence, or repeats a few characters, which attackers try first: {_ADVICE}")
    if limits.refuse_common and _varies_common(folded):
        raise ValueError(f"it is a common password or close to one, which attackers try first: {_ADVICE}")
    if limits.breached_dir is not None and is_breached(limits.breached_dir, text):
        raise ValueError(f"it was found in data that was stolen elsewhere, so attackers try it: {_ADVICE}")


def _varies_common(folded: str) -> bool:
    words = (unit(core) for core in cores(folded))
    return any(is_common(spelling) for word in dict.fromkeys(words) for spelling in spellings(word))
