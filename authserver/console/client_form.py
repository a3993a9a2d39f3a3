"""The form of a client: what a browser sends, as a registration; what was wrong beside its field; and what clashes.

Whatever else a form carries is not looked at: a field that is not named here cannot be set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, ClassVar, Final

from werkzeug.datastructures import MultiDict

from authserver.administration.errors import Invalid
from authserver.clients.fields import FIELDS, Field, Input, Registration
from authserver.console.form import Form, version_of
from authserver.refusals.problems import Problem
from authserver.settings.types import seconds

State = Mapping[str, list[str]]

#: What the form asks for. The others are given before it is opened, or with it.
ASKED: Final = {name: field for name, field in FIELDS.items() if not field.fixed}
_MOST_CHARACTERS: Final = 30_000
#: Of a value that a newer version has written.
_UNKNOWN: Final = "This version of the server does not know it. It stays unless you take it away."


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

    stale: ClassVar = "Somebody else changed this client while you had it open. Nothing was saved yet."
    labels: ClassVar = {name: field.label for name, field in FIELDS.items() if name != "kind"}

    state: State
    clashes: list[Clash] = dataclass_field(default_factory=list)
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

    def choices(self, field: Field) -> dict[str, str]:
        """The choices of a field, and what else it holds: what the form does not show, saving would take away."""
        others = sorted(set(self.state.get(field.name, [])) - field.choices.keys())
        return {**field.choices, **dict.fromkeys(others, _UNKNOWN)}

    def options(self, field: Field) -> list[tuple[str, str]]:
        """The values of a list of which one is chosen, with what they mean."""
        found = [
            ("" if value == field.stand_in else value, f"{value}: {a}") for value, a in self.choices(field).items()
        ]
        return [("", field.unset), *found] if field.is_nullable else found


def shown(registration: Registration) -> ClientForm:
    """The form of what is there, with what a change needs to notice that somebody else was faster."""
    state = state_of(registration)
    return ClientForm(state, version=version_of(state), base=json.dumps(state))


def state_of(registration: Registration) -> State:
    """What the fields show of a registration."""
    state: dict[str, list[str]] = {}
    for name, field in ASKED.items():
        value: Any = getattr(registration, name)
        if field.input is Input.SWITCH:
            state[name] = ["1"] if value else []
        elif field.is_set:
            state[name] = sorted(value or ())
        else:
            state[name] = [] if value in (None, field.stand_in) else [str(value)]
    return state


def sent(form: MultiDict[str, str]) -> ClientForm:
    """What a browser sent, and nothing that the form does not have."""
    state: dict[str, list[str]] = {}
    for name, field in ASKED.items():
        values = [value.strip() for value in form.getlist(name) if value.strip()]
        state[name] = sorted({word for value in values for word in value.split()}) if field.is_set else values[:1]
    return ClientForm(state, version=form.get("version", ""), base=form.get("base", "")[:_MOST_CHARACTERS])


def values_of(form: ClientForm, before: Registration) -> dict[str, Any]:
    """The values of the fields that say something else than `before`. The others stay: a form cannot say all of them.

    Raises:
        Invalid: what cannot be read.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    shown = state_of(before)
    for name, field in ASKED.items():
        words, text = form.state.get(name, []), form.text(name)
        if words == shown[name]:
            continue
        if field.input is Input.SWITCH:
            values[name] = bool(words)
        elif field.is_set:
            values[name] = frozenset(words) if words or not field.is_optional else None
        elif field.input in _READ and text:
            convert, wanted = _READ[field.input]
            values[name] = _read(text, convert)
            if values[name] is None:
                problems.append(Problem(f"must be {wanted}", name))
        else:
            values[name] = text or field.default
    if problems:
        raise Invalid(*problems)
    return values


_READ: Final[Mapping[Input, tuple[Callable[[str], Any], str]]] = {
    Input.DURATION: (seconds, "whole seconds, or a duration such as 15m, 12h or 7d"),
    Input.NUMBER: (int, "a whole number"),
}


def _read(text: str, convert: Any) -> int | None:
    try:
        value = convert(text)
    except ValueError:
        return None
    return value if isinstance(value, int) and abs(value) < 2**31 else None


def merged(form: ClientForm, now: Registration) -> ClientForm:
    """The form after somebody else was faster: their changes where this one had none, and all of them told.

    `base` came back from the browser. It decides what is shown, never what is saved: that is compared with `version`.
    """
    before, theirs = _base(form), state_of(now)
    state, clashes = dict(form.state), []
    for name in ASKED:
        old, new, mine = before.get(name, []), theirs[name], form.state.get(name, [])
        if new == old:
            continue
        if mine == old:
            state[name] = new
        clash = Clash(FIELDS[name].label, _told(old), _told(new), _told(mine), both=mine not in (old, new))
        clashes.append(clash)
    return ClientForm(state, clashes=clashes, version=version_of(theirs), base=json.dumps(theirs))


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
