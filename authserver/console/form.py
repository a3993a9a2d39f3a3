"""What forms of the console share: problems stand beside their field, and no form overwrites a change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from authserver.administration import users
from authserver.administration.context import Administration
from authserver.administration.errors import Stale
from authserver.console.entry import sentences
from authserver.pages.texts import sentence
from authserver.refusals.problems import Problem


@dataclass(slots=True, kw_only=True)
class Form:
    """A form as it is shown. `version` stands for what was shown when it was opened."""

    #: The label of each field on the page, by the name that the rules use.
    labels: ClassVar[Mapping[str, str]]
    #: What the form says if somebody else changed its subject after it was opened.
    stale: ClassVar[str]

    errors: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    version: str = ""

    def blame(self, problems: Iterable[Problem]) -> None:
        """Put each problem beside its field, or at the top if the form has no such field."""
        for problem in problems:
            if problem.field in self.labels:
                others = f"{self.errors[problem.field]} " if problem.field in self.errors else ""
                self.errors[problem.field] = others + sentence(problem.text)
            else:
                self.problems += sentences([problem])
        if self.errors:
            self.problems.append(f"Please look at: {', '.join(self.labels[name] for name in self.errors)}.")

    def require_unchanged(self, shown: object) -> None:
        """Raises `Stale` unless this is what the form showed when it was opened.

        As the `precondition` of a use case it looks under the lock of the transaction that saves.
        """
        if version_of(shown) != self.version:
            raise Stale(self.stale)


def version_of(shown: object) -> str:
    """A digest of what a form shows."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def uuid_of(text: str | None) -> UUID | None:
    """The id that a text is; None if it is no id."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def user_id_of(admin: Administration, text: str) -> UUID | None:
    """A user's id by name, e-mail address or id; None for an empty text. Only an id finds a removed user."""
    return uuid_of(text) or users.find(admin, text).id if text else None
