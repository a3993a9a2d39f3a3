"""The table of all routes. A resource is one file and one line here; its documentation and access rules follow."""

from __future__ import annotations

from typing import Final

from authserver.admin_api import (
    apis,
    audit_events,
    clients,
    doctor,
    keys,
    reference,
    references,
    sessions,
    settings,
    throttling,
    users,
    users_import,
)
from authserver.admin_api.route import Route

RESOURCES: Final[tuple[Route, ...]] = (
    *clients.ROUTES,
    *apis.ROUTES,
    *users.ROUTES,
    *users_import.ROUTES,
    *sessions.ROUTES,
    *keys.ROUTES,
    *throttling.ROUTES,
    *audit_events.ROUTES,
    *references.ROUTES,
    *settings.ROUTES,
    *doctor.ROUTES,
)
ROUTES: Final[tuple[Route, ...]] = (*RESOURCES, *reference.routes(RESOURCES))
