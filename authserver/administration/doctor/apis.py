"""Checks of APIs: scopes that no client or user can get, and APIs that protect nothing."""

from __future__ import annotations

from authserver.administration.doctor.finding import About, Finding, Findings, Severity, authserver
from authserver.administration.doctor.survey import Survey
from authserver.apis import administration
from authserver.apis.registration import BUILT_IN


def no_scopes(seen: Survey) -> Findings:
    defaults = {row.default_api for row in seen.clients}
    for audience, api in seen.catalogue.apis.items():
        if not api.scopes and audience not in defaults:
            reason = "owns no scopes, so a token for it says nothing of what its holder may do (RFC 9700 section 2.3)"
            command = authserver("apis", "edit", audience, add_scope="SCOPE")
            yield Finding("api.no-scopes", Severity.NOTE, About.API, audience, reason, command)


def unasked_scopes(seen: Survey) -> Findings:
    asked = frozenset[str]().union(*(row.scopes for row in seen.clients))
    for name, scope in seen.catalogue.scopes.items():
        # The server's own scopes need no client: administrators may use the console alone.
        if name not in asked and scope.audience not in BUILT_IN:
            reason = (
                f"no enabled client may ask for it, so no token has it at {scope.audience}: allow it to a client "
                "(authserver clients edit CLIENT --add-scope), or remove it"
            )
            command = authserver("apis", "edit", scope.audience, remove_scope=name)
            yield Finding("scope.unasked", Severity.NOTE, About.SCOPE, name, reason, command)


def unheld_roles(seen: Survey) -> Findings:
    for name, scope in seen.catalogue.scopes.items():
        if scope.roles and scope.roles.isdisjoint(seen.roles) and scope.audience != administration.AUDIENCE:
            reason = (
                f"opens to users with the role {' or '.join(sorted(scope.roles))}, and no enabled user has it: no "
                f"token has it at {scope.audience}"
            )
            command = authserver("users", "edit", "USER", add_role=min(scope.roles))
            yield Finding("scope.role-without-users", Severity.WARNING, About.SCOPE, name, reason, command)


CHECKS = (no_scopes, unasked_scopes, unheld_roles)
