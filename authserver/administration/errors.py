"""What a use case may say instead of doing what it was asked to. The texts say what to do next.

AdminError
├── NotFound    there is no such client, user, API, session or key
├── Conflict    it is taken, or not in the state that the act needs
├── Stale       it was changed by somebody else since the caller looked
├── Forbidden   the actor may not give, or act on, what goes beyond the actor's own scopes
└── Invalid     the values break rules; all problems at once
"""

from __future__ import annotations

from collections.abc import Sequence

from authserver.refusals.hints import Hinted


class AdminError(Exception):
    """The act was refused and nothing was changed. `see` is a command that shows or does what helps."""

    def __init__(self, text: str, *, see: str = "") -> None:
        super().__init__(Hinted(text, f"; see: authserver {see}") if see else text)

    @property
    def problems(self) -> Sequence[str]:
        """One line for each reason; each may be `Hinted`."""
        return [self.args[0]]


class NotFound(AdminError):
    """There is no such thing."""


class Conflict(AdminError):
    """It is taken, or not in the state that the act needs."""


class Stale(AdminError):
    """It was changed by somebody else since the caller looked."""


class Forbidden(AdminError):
    """The act would give, or act on, administration that the actor does not have."""


class Invalid(AdminError):
    """The values break rules."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self._problems = list(problems)

    @property
    def problems(self) -> Sequence[str]:
        return self._problems
