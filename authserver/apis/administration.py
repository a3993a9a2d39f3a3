"""The API of administration: its audience, its scopes, and the role that opens them at first.

A migration registers it. Administrators can change which roles open a scope, but not the audience and the scopes. The
prefix is reserved, so that no other API can own a scope that looks like one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AUDIENCE: Final = "urn:authserver:administration"
PREFIX: Final = "authserver:"
ROLE: Final = "administrator"

#: Each scope, and what it allows.
SCOPES: Final[Mapping[str, str]] = {
    "authserver:apis:read": "See APIs and their scopes",
    "authserver:apis:write": "Register, change and remove APIs and their scopes",
    "authserver:audit:read": "Read the audit record, and explain refusals",
    "authserver:clients:read": "See clients",
    "authserver:clients:write": "Register, change, disable and remove clients, and rotate their secrets",
    "authserver:keys:read": "See keys and their schedule",
    "authserver:keys:write": "Rotate keys, and mark them as leaked",
    "authserver:sessions:read": "See who is signed in, and where",
    "authserver:sessions:write": "End sessions",
    "authserver:settings:read": "See the settings in force, activity, and what the doctor finds",
    "authserver:users:read": "See users",
    "authserver:users:write": "Add, import, change, disable and remove users, and reset their passwords",
}
