"""What a use case may say instead of doing what it was asked to. The texts say what to do next."""

from __future__ import annotations

from authserver.refusals.problems import Problem


class AdminError(Exception):
    """The act was refused and nothing was changed; `problems` has a value for each reason.

    Of a reason that is a text, `field` is the name of the field that it is about, and `see` a command that helps.
    """

    def __init__(self, *reasons: Problem | str, field: str = "", see: str = "") -> None:
        hint = f"; see: authserver {see}" if see else ""
        self.problems = [reason if isinstance(reason, Problem) else Problem(reason, field, hint) for reason in reasons]
        super().__init__("; ".join(map(str, self.problems)))


class NotFound(AdminError):
    """There is no such client, user, API, session or key."""


class Conflict(AdminError):
    """It is taken, or not in the state that the act needs."""


class Stale(AdminError):
    """It was changed by somebody else since the caller looked."""


class Forbidden(AdminError):
    """The actor may not give, or act on, what goes beyond the actor's own scopes."""


class Invalid(AdminError):
    """The values break rules; all problems at once."""
