"""The form of a client: what a browser sends, as a registration; what was wrong beside its field; and what clashes.

Whatever else a form carries is not looked at: a field that is not named here cannot be set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from werkzeug.datastructures import MultiDict

from authserver.administration.errors import Invalid
from authserver.clients.registration import Registration
from authserver.console.form import Form
from authserver.refusals.problems import Problem
from authserver.settings.types import seconds

State = Mapping[str, list[str]]

_SETS: Final = ("scopes", "grants", "auth_methods")
_LISTS: Final = ("redirect_uris", "contacts", "default_scopes", "origins")
_DURATIONS: Final = ("retry_window", "access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")
_NUMBERS: Final = ("late_retries", "max_sessions_per_user")
_SWITCHES: Final = ("first_party", "refuse_foreign_retries")
_TEXTS: Final = ("name", "refresh_policy", "default_api", "access_token_format", "token_delivery")
FIELDS: Final = (*_TEXTS, *_SETS, *_LISTS, *_DURATIONS, *_NUMBERS, *_SWITCHES)
_MOST_CHARACTERS: Final = 30_000

#: What each field is called on the page.
LABELS: Final[Mapping[str, str]] = {
    "client_id": "Client ID",
    "name": "Name",
    "scopes": "Scopes",
    "grants": "Grants",
    "auth_methods": "How it proves itself",
    "first_party": "Your own app",
    "redirect_uris": "Redirect URIs",
    "contacts": "Contacts",
    "token_delivery": "Token delivery",
    "origins": "Origins",
    "default_scopes": "Default scopes",
    "default_api": "Default API",
    "refresh_policy": "Refresh tokens",
    "retry_window": "Retry window",
    "late_retries": "Late retries",
    "refuse_foreign_retries": "Refuse foreign retries",
    "access_token_lifetime": "Access token lifetime",
    "refresh_idle_lifetime": "Idle lifetime",
    "refresh_absolute_lifetime": "Absolute lifetime",
    "max_sessions_per_user": "Sessions per user",
    "access_token_format": "Access token format",
}


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that somebody else changed while this form was open: before, now, and in the form that was sent."""

    label: str
    before: str
    now: str
    yours: str
    both: bool


@dataclass(slots=True)
class ClientForm(Form):
    """The form of a client: the texts of each field, and what it was when the form was opened."""

    labels: ClassVar = LABELS

    state: State
    clashes: list[Clash] = field(default_factory=list)
    base: str = ""

    def text(self, name: str) -> str:
        """The text of a field that has one."""
        return (self.state.get(name) or [""])[0]

    def lines(self, name: str) -> str:
        """The words of a list, one a line."""
        return "\n".join(self.state.get(name, []))

    def has(self, name: str, value: str) -> bool:
        """Whether a box is ticked."""
        return value in self.state.get(name, [])


def shown(registration: Registration) -> ClientForm:
    """The form of what is there, with what a change needs to notice that somebody else was faster."""
    state = state_of(registration)
    return ClientForm(state, version=version_of(registration), base=json.dumps(state))


def state_of(registration: Registration) -> State:
    """What the fields show of a registration."""
    state: dict[str, list[str]] = {}
    for name in FIELDS:
        value: Any = getattr(registration, name)
        if name in _SWITCHES:
            state[name] = ["1"] if value else []
        elif name in (*_SETS, *_LISTS):
            state[name] = sorted(value or ())
        else:
            state[name] = [] if value is None else [str(value)]
    return state


def sent(form: MultiDict[str, str]) -> ClientForm:
    """What a browser sent, and nothing that the form does not have."""
    state: dict[str, list[str]] = {}
    for name in FIELDS:
        values = [value.strip() for value in form.getlist(name) if value.strip()]
        if name in _LISTS:
            values = [word for value in values for word in value.split()]
        state[name] = sorted(set(values)) if name in (*_SETS, *_LISTS) else values[:1]
    return ClientForm(state, version=form.get("version", ""), base=form.get("base", "")[:_MOST_CHARACTERS])


def values_of(form: ClientForm) -> dict[str, Any]:
    """The values of a registration's fields.

    Raises:
        Invalid: what cannot be read.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in FIELDS:
        words, text = form.state.get(name, []), form.text(name)
        if name in _SWITCHES:
            values[name] = bool(words)
        elif name in _SETS:
            values[name] = frozenset(words)
        elif name in _LISTS:
            values[name] = frozenset(words) or None
        elif name in _DURATIONS:
            values[name] = _read(text, seconds)
            if text and values[name] is None:
                problems.append(Problem("must be whole seconds, or a duration such as 15m, 12h or 7d", name))
        elif name in _NUMBERS:
            values[name] = _read(text, int)
            if text and values[name] is None:
                problems.append(Problem("must be a whole number", name))
        else:
            values[name] = text or None
    if problems:
        raise Invalid(*problems)
    values["name"] = form.text("name")
    values["refresh_policy"] = values["refresh_policy"] or "rotate"
    values["late_retries"] = values["late_retries"] or 0
    return values


def _read(text: str, convert: Any) -> int | None:
    try:
        value = convert(text)
    except ValueError:
        return None
    return value if isinstance(value, int) and abs(value) < 2**31 else None


def version_of(registration: Registration) -> str:
    """Changes with everything that an administrator decides about a client."""
    return hashlib.sha256(json.dumps(state_of(registration)).encode()).hexdigest()


def merged(form: ClientForm, now: Registration) -> ClientForm:
    """The form after somebody else was faster: their changes where this one had none, and all of them told.

    `base` came back from the browser. It decides what is shown, never what is saved: that is compared with `version`.
    """
    before, theirs = _base(form), state_of(now)
    state, clashes = dict(form.state), []
    for name in FIELDS:
        old, new, mine = before.get(name, []), theirs[name], form.state.get(name, [])
        if new == old:
            continue
        if mine == old:
            state[name] = new
        clash = Clash(LABELS[name], _told(old), _told(new), _told(mine), both=mine not in (old, new))
        clashes.append(clash)
    return ClientForm(state, clashes=clashes, version=version_of(now), base=json.dumps(theirs))


def _base(form: ClientForm) -> State:
    try:
        found = json.loads(form.base)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return {}
    return {str(name): [str(value) for value in values] for name, values in found.items() if isinstance(values, list)}


def _told(values: list[str]) -> str:
    return " ".join(values) or "nothing"
