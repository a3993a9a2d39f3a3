"""A finding of the doctor: what deserves attention, how grave it is, and the line of shell that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from authserver.settings.loading import variable_of


class Severity(StrEnum):
    """How grave a finding is, gravest first."""

    ERROR = "error"  # something does not work, or is open to attack now
    WARNING = "warning"  # advised against; deserves a decision
    NOTE = "note"  # good to know; no action is needed

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class About(StrEnum):
    """What kind of thing a finding is about, so that pages can link to it."""

    CLIENT = "client"
    API = "api"
    SCOPE = "scope"
    USERS = "users"
    KEY = "key"
    SETTING = "setting"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that deserves attention.

    `check` never changes its meaning: scripts and `--except` name it. `command` is a line of shell that mends it, or
    None if no command can. The operator replaces words in capitals (USER). A changed setting counts after a restart.
    """

    check: str
    severity: Severity
    about: About
    subject: str
    reason: str
    command: str | None = None


Findings = Iterator[Finding]


def authserver(*words: str, **options: str | bool) -> str:
    """A command line: `authserver("keys", "leaked", "7", yes=True)` is `authserver keys leaked --yes 7`.

    The last word is what the command acts on. Users and administrators choose names, so every word is quoted for a
    shell, and a last word that looks like an option is kept apart from the options.
    """
    *command, subject = words
    line = ["authserver", *command]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        line += [option] if value is True else [option, str(value)]
    return shlex.join([*line, "--", subject] if subject.startswith("-") else [*line, subject])


def set_to(**settings: str) -> str:
    """The line that sets settings (`tokens__retry_window="30s"`). A unit or Compose file has the same variables."""
    return " ".join(["export", *(f"{variable_of(name)}={shlex.quote(value)}" for name, value in settings.items())])
