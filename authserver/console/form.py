"""What the forms of the console share: what was wrong stands beside its field, or at the top."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from authserver.console.entry import sentence, sentences
from authserver.refusals.problems import Problem


@dataclass(slots=True, kw_only=True)
class Form:
    """A form as it is shown. `version` stands for what was shown when it was opened."""

    #: What each field is called on the page. The names are those that rules use.
    labels: ClassVar[Mapping[str, str]]

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


def version_of(shown: object) -> str:
    """Changes with everything that a form shows."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
