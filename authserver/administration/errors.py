"""The errors with which a use case refuses an act. Their texts say what to do next."""

from __future__ import annotations

from authserver.refusals.problems import Problem


class AdminError(Exception):
    """The act was refused and changed nothing; `problems` has an entry for each reason.

    For reasons that are texts, `field` names the field that they are about, and `see` a command that helps.
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
    """Another administrator changed it after the caller read it."""


class Forbidden(AdminError):
    """The actor may not give, or act on, what goes beyond the actor's own scopes."""


class Invalid(AdminError):
    """The values break rules; all problems at once."""
