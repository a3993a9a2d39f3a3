"""The use case of explaining a refusal: from whatever was pasted to which check failed, what is known now, what to do."""

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
from authserver.refusals.references import Refusal

#: A whole error with its text is a few hundred characters; what is longer is something else.
_LONGEST = 20_000
#: What a reference looks like wherever it stands: in JSON, in a line of a log, in a page of ours.
_REFERENCE = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{110}(?![A-Za-z0-9_-])")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reference says, and what the database knows now; `known` is None where it could not be asked."""

    refusal: Refusal
    known: Known | None

    @property
    def client_now(self) -> str | None:
        """How the client that asked is now; None where none is known."""
        known = self.known
        if known is None or (self.refusal.client_id is None and known.client is None):
            return None
        if known.client is None:
            return "there is none of this id"
        return "enabled" if known.client.enabled else "disabled"

    @property
    def session_now(self) -> str | None:
        """How the session is now; None where the refusal is of none."""
        if self.known is None or self.refusal.session_id is None:
            return None
        if self.known.session is None:
            return "its row is gone"
        state = session_state(self.known.session)
        return state.name if state.is_live else f"{state.name}: {state.why}"


def reference_in(pasted: str) -> str:
    """The reference in what was pasted: alone, within the whole JSON error, or within a line that quotes it.

    Raises:
        Invalid: there is none, or more than one.
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
            "there is no reference in this text: it is 110 letters, digits, - and _; copy all of the member `reference`"
        )
    return found[0]


def explain(vault: Vault, pasted: str) -> Refusal:
    """What a reference says. Asks no database.

    Raises:
        Invalid: there is no reference in it, or none of this server.
    """
    return audit.explain(vault, reference_in(pasted))


def look_up(admin: Administration, refusal: Refusal) -> Explanation:
    """The refusal with what the database knows of it now."""
    return Explanation(refusal, audit.look_up(admin, refusal))
