"""Self-service at /account/: users see and end their own sessions, change their password and download their data."""

from __future__ import annotations

from flask import Flask

from authserver.account import link_pages, pages
from authserver.account.use_cases import Account
from authserver.apis.store import CatalogueCache
from authserver.database.engine import Database
from authserver.pages.pages import Pages
from authserver.passwords.hasher import PasswordHasher
from authserver.settings.model import Settings
from authserver.throttling.throttle import Throttle


def register(
    app: Flask,
    shared: Pages,
    database: Database,
    settings: Settings,
    catalogue: CatalogueCache,
    hasher: PasswordHasher,
    throttle: Throttle,
) -> None:
    """Add the pages. Password links also work without the account pages: administrators of the console need them."""
    account = Account(database, settings, shared.passwords, hasher, throttle)
    if settings.pages.account:
        app.register_blueprint(pages.blueprint(shared, account, catalogue))
    app.register_blueprint(link_pages.blueprint(shared, account))
