"""Which user names, e-mail addresses and roles are possible, and when two names are the same.

Two names are the same if they fold to one text: NFKC and case folding (Unicode chapter 3.13, D146). This follows
UsernameCaseMapped in RFC 8265 section 3.3, and also folds compatibility forms, because they look alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Literal

from authserver.apis.registration import ROLE

USERNAME_LENGTH = 100
EMAIL_LENGTH = 254  # RFC 5321 section 4.5.3.1.3: 256 with the angle brackets
LOCAL_PART_LENGTH = 64
#: In characters, of all roles of a user. They are a part of each access token, whose length is bounded.
ROLES_LENGTH = 5000

# Control, format, surrogate, private use, unassigned, line separator, paragraph separator. Such characters cannot be
# seen, told apart or stored (PostgreSQL refuses NUL, UTF-8 refuses surrogates). A later Unicode may fold an unassigned
# character differently, and stored names would not be found any more. Assigned characters keep their folding for ever.
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Default-ignorable characters of other categories. They are invisible, so "anna" with one looks like "anna".
_INVISIBLE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Space separators (Zs) and the tab.
_BLANKS = "\t \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DOMAIN_LABEL = re.compile(r"(?!-)[a-z0-9\-\u0080-\U0010ffff]{1,63}(?<!-)")  # in a folded domain
_EMAIL_SPECIALS = re.compile(r'[<>()\[\]\\,;:"]')


def fold(name: str) -> str:
    """The form in which a name or address is unique and is looked up. Folding it again changes nothing.

    Check the length first, as every function here does: NFKC takes 8 s for one letter with 100,000 accents.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def trimmed(text: str) -> str:
    """The text without the blanks around it, for a name or address that is going to be kept.

    A line end stays, and is refused: a name that has one was cut out of its file or form at the wrong place.
    """
    return text.strip(_BLANKS)


def check_username(text: str) -> str:
    """Return the text if both the text and its folded form can be a user name."""
    if not 1 <= len(text) <= USERNAME_LENGTH:
        raise ValueError(f"a user name has 1 to {USERNAME_LENGTH} characters, not {len(text)}")
    folded = fold(text)
    if len(folded) > USERNAME_LENGTH:
        raise ValueError(f"a user name has at most {USERNAME_LENGTH} characters after NFKC, not {len(folded)}")
    _check_visible("a user name", text, folded)
    # Several characters fold to "@" or to a space, and the folded form is looked up.
    if "@" in folded:
        raise ValueError("a user name has no @: names with one are e-mail addresses")
    if not folded or folded != folded.strip() or text != text.strip():
        raise ValueError("a user name neither starts nor ends with white space")
    if "  " in folded or any(character.isspace() and character != " " for character in folded):
        raise ValueError("a user name has no white space within but single spaces")
    return text


def check_email(text: str) -> str:
    """Return the text if both the text and its folded form can be an e-mail address.

    Does not check that mail arrives. Refuses quoted local parts and accepts a domain of one label. An
    internationalised domain is not the same as its `xn--` form.
    """
    if len(text) > EMAIL_LENGTH or len(folded := fold(text)) > EMAIL_LENGTH:
        raise ValueError(f"an e-mail address has at most {EMAIL_LENGTH} characters")
    _check_visible("an e-mail address", text, folded)
    if folded.count("@") != 1:
        raise ValueError("an e-mail address has exactly one @, as in name@example.com")
    if any(character.isspace() for character in text + folded):
        raise ValueError("an e-mail address has no white space")
    local, domain = folded.split("@")
    if not 1 <= len(local) <= LOCAL_PART_LENGTH or _EMAIL_SPECIALS.search(local) or "" in local.split("."):
        raise ValueError(
            f"the part of an e-mail address before the @ has 1 to {LOCAL_PART_LENGTH} characters, no quotes, brackets, "
            "commas, colons, semicolons or backslashes, and no dot at its ends or beside another"
        )
    if not all(map(_DOMAIN_LABEL.fullmatch, domain.split("."))):
        raise ValueError("the part of an e-mail address after the @ is a host name, as in name@example.com")
    return text


def check_role(text: str) -> str:
    """Return the text if it can be a role. Roles are compared exactly, with their case."""
    if not ROLE.fullmatch(text):
        raise ValueError(
            "a role has 1 to 64 characters: letters A to Z and a to z, digits, and . _ : - after the first one"
        )
    return text


def check_roles(roles: Collection[str]) -> None:
    """Check that the roles of a user leave room for scopes in an access token, which carries all of them."""
    together = sum(map(len, roles))
    if together > ROLES_LENGTH:
        raise ValueError(
            f"the roles have {together} characters together, and {ROLES_LENGTH} fit into an access token beside its scopes: "
            "use fewer or shorter ones"
        )


def login_key(text: str) -> tuple[Literal["username", "email"], str]:
    """The column in which a login name is looked up, and the folded value to look for.

    Takes any text. Blanks around it do not count: keyboards add one after a word, and people paste them. An impossible
    name becomes "", which no user has: so it is looked up and costs as much time as an unknown name, and NUL never
    reaches the database.
    """
    text = text.strip()
    folded = fold(text) if len(text) <= EMAIL_LENGTH else ""
    possible = len(folded) <= EMAIL_LENGTH and not any(map(_is_bad, folded))
    return "email" if "@" in folded else "username", folded if possible else ""


def _is_bad(character: str) -> bool:
    return unicodedata.category(character) in _BAD_CATEGORIES


def _check_visible(what: str, text: str, folded: str) -> None:
    for character in text + folded:
        if _is_bad(character) or _INVISIBLE.match(character):
            raise ValueError(
                f"{what} has no control, invisible or unassigned characters, and this has U+{ord(character):04X}"
            )
