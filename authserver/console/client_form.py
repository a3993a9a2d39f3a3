"""The form of a client: reads values of a registration from it, and shows clashes with other changes.

Only the fields in `ASKED` are read, so a form cannot set any other field.
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

#: The fields that the form asks for. The others are given once, at the registration.
ASKED: Final = {name: field for name, field in FIELDS.items() if not field.fixed}
_MOST_CHARACTERS: Final = 30_000
#: Stands beside a value that a newer version has written.
_UNKNOWN: Final = "This version of the server does not know it. It stays unless you take it away."


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that was changed while this form was open: its value before, its value now, and the form's own."""

    label: str
    before: str
    now: str
    yours: str
    both: bool


@dataclass(slots=True)
class ClientForm(Form):
    """The form of a client: the texts of each field. `base` has the texts when the form was opened, as JSON."""

    stale: ClassVar = "Somebody else changed this client while you had it open. Nothing was saved yet."
    labels: ClassVar = {name: field.label for name, field in FIELDS.items() if name != "kind"}

    state: State
    clashes: list[Clash] = dataclass_field(default_factory=list)
    base: str = ""

    def text(self, name: str) -> str:
        """The text of a field with one value."""
        return (self.state.get(name) or [""])[0]

    def lines(self, name: str) -> str:
        """The words of a list, one a line."""
        return "\n".join(self.state.get(name, []))

    def has(self, name: str, value: str) -> bool:
        """Whether a box is ticked."""
        return value in self.state.get(name, [])

    def choices(self, field: Field) -> dict[str, str]:
        """The choices of a field, and its other values: saving would remove a value that the form does not show."""
        others = sorted(set(self.state.get(field.name, [])) - field.choices.keys())
        return {**field.choices, **dict.fromkeys(others, _UNKNOWN)}

    def options(self, field: Field) -> list[tuple[str, str]]:
        """The values of a list to choose one from, with their meaning."""
        found = [
            ("" if value == field.stand_in else value, f"{value}: {a}") for value, a in self.choices(field).items()
        ]
        return [("", field.unset), *found] if field.is_nullable else found


def shown(registration: Registration) -> ClientForm:
    """The form of a registration, with what is needed to notice another change before this one is saved."""
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
    """Read the form that a browser sent. Fields that the form does not have are ignored."""
    state: dict[str, list[str]] = {}
    for name, field in ASKED.items():
        values = [value.strip() for value in form.getlist(name) if value.strip()]
        state[name] = sorted({word for value in values for word in value.split()}) if field.is_set else values[:1]
    return ClientForm(state, version=form.get("version", ""), base=form.get("base", "")[:_MOST_CHARACTERS])


def values_of(form: ClientForm, before: Registration) -> dict[str, Any]:
    """The values of the fields that differ from `before`. The others stay, because a form cannot show every value.

    Raises:
        Invalid: a text cannot be read.
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
        elif field.input in _READERS and text:
            convert, wanted = _READERS[field.input]
            values[name] = _read(text, convert)
            if values[name] is None:
                problems.append(Problem(f"must be {wanted}", name))
        else:
            values[name] = text or field.default
    if problems:
        raise Invalid(*problems)
    return values


_READERS: Final[Mapping[Input, tuple[Callable[[str], Any], str]]] = {
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
    """The form after another change was saved: has its values where this form changed nothing, and lists all of them.

    `base` came back from the browser, so it only decides what is shown. `version` decides whether a form is saved.
    """
    before, theirs = _base(form), state_of(now)
    state, clashes = dict(form.state), []
    for name in ASKED:
        old, new, mine = before.get(name, []), theirs[name], form.state.get(name, [])
        if new == old:
            continue
        if mine == old:
            state[name] = new
        clash = Clash(FIELDS[name].label, _in_words(old), _in_words(new), _in_words(mine), both=mine not in (old, new))
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


def _in_words(values: list[str]) -> str:
    return " ".join(values) or "nothing"
