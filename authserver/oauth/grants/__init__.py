"""The grants, one file each. A grant is a file here and a line in `clients/grants`; all else follows by itself."""

from __future__ import annotations

from importlib import import_module

from authserver.clients.grants import GRANTS
from authserver.oauth.grants.base import TokenGrant


def grant_classes() -> list[type[TokenGrant]]:
    """The class `GRANT` of each grant's file, in the order of the list."""
    return [import_module(f"{__name__}.{grant.file}").GRANT for grant in GRANTS.values()]
