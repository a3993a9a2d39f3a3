"""The use case of explaining a refusal: from pasted text to the check that failed, what to do, and the state now."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from authserver.administration import audit
from authserver.administration.audit import Known
from authserver.administration.context import Administration
from authserver.administration.errors import Invalid
from authserver.administration.words import session_state
from authserver.keys.vault import Vault
from authserver.refusals.references import LENGTH, OLD_LENGTH, Refusal

#: A whole error has a few hundred characters. The rest of a longer text is cut off.
_LONGEST = 20_000
#: A reference within other text: JSON, a line of a log, a page.
_REFERENCE = re.compile(rf"(?<![\w-])(?:[\w-]{{{LENGTH}}}|[\w-]{{{OLD_LENGTH}}})(?![\w-])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Explanation:
    """An opened reference, and what the database has about it now. `known` is None if the database is unavailable."""

    refusal: Refusal
    known: Known | None

    @property
    def client_now(self) -> str | None:
        """The state of the client that asked; None if the client is not known."""
        known = self.known
        if known is None or (self.refusal.client_id is None and known.client is None):
            return None
        if known.client is None:
            return "there is no client of this id"
        return "enabled" if known.client.enabled else "disabled"

    @property
    def session_now(self) -> str | None:
        """The state of the session; None if the refusal is about no session."""
        if self.known is None or self.refusal.session_id is None:
            return None
        if self.known.session is None:
            return "its row is gone"
        state = session_state(self.known.session)
        return state.name if state.is_live else f"{state.name}: {state.why}"


def reference_in(pasted: str) -> str:
    """The reference in pasted text: alone, within the whole JSON error, or within a line that quotes it.

    Raises:
        Invalid: the text has no reference, or several.
    """
    text = pasted.strip()[:_LONGEST]
    if not text:
        raise Invalid("paste the reference of a refusal, or the whole error that the app got")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        member = document.get("reference")
        if not isinstance(member, str):
            raise Invalid("this JSON has no member `reference`: is it an error of this server?")
        return member.strip()
    found: list[str] = list(dict.fromkeys(_REFERENCE.findall(text)))
    if len(found) > 1:
        raise Invalid("there are several references in this text: paste one of them")
    if not found:
        raise Invalid(
            f"there is no reference in this text: it is {LENGTH} letters, digits, - and _; copy all of the member `reference`"
        )
    return found[0]


def explain(vault: Vault, pasted: str) -> Refusal:
    """Open the reference in pasted text. Needs no database.

    Raises:
        Invalid: the text has no reference, or this server did not make it.
    """
    return audit.explain(vault, reference_in(pasted))


def look_up(admin: Administration, refusal: Refusal) -> Explanation:
    """The refusal with what the database has about it now."""
    return Explanation(refusal, audit.look_up(admin, refusal))
