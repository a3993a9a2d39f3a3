"""The composition root: builds every object once, in one readable list, and wires the floors together."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast
from wsgiref.types import WSGIApplication

from flask import Flask

from authserver import account, console
from authserver import admin_api as api
from authserver.admin_api.dispatch import AdminApi
from authserver.administration.context import AdminResources, open_counts
from authserver.apis.store import CatalogueCache
from authserver.clients.registry import ClientRegistry
from authserver.console.entry import Console
from authserver.database import heartbeat, schema
from authserver.database.engine import Database, open_database
from authserver.database.failures import FailureLog
from authserver.database.heartbeat import Heartbeat
from authserver.database.status_indices import StatusIndices
from authserver.keys.keyring import Keyring
from authserver.keys.rotation import KeyRotation
from authserver.keys.setup import open_vault, schedule
from authserver.oauth import adapter
from authserver.oauth.endpoints import ENDPOINTS
from authserver.oauth.endpoints.base import Context
from authserver.oauth.errors import Refusals
from authserver.oauth.grants import grant_classes
from authserver.oauth.server import OAuthServer, Services
from authserver.operations import exposition, health
from authserver.operations.at_hand import at_hand, for_pages, of_app
from authserver.operations.headers import SecurityHeaders
from authserver.operations.health import Readiness
from authserver.operations.housekeeping import Housekeeping
from authserver.operations.logs import configure_logging
from authserver.operations.proxies import TrustedProxies
from authserver.operations.regularly import Regularly
from authserver.operations.surplus import bounded_sign_ins
from authserver.pages import sign_in
from authserver.pages.errors import ErrorForms, ErrorPages
from authserver.pages.flashes import FlashSigner
from authserver.pages.known_browser import KnownBrowser
from authserver.pages.pages import Pages
from authserver.pages.visits import Visits
from authserver.passwords.hasher import PasswordHasher
from authserver.records.activity import UNBELIEVED, Activity
from authserver.records.metrics import NOT_RECORDED, TURNED_AWAY
from authserver.records.refusals import RefusalRecorder
from authserver.refusals.references import References
from authserver.serving.admission import Hints
from authserver.sessions.opening import Opening
from authserver.sessions.rotation import Rotation
from authserver.settings.model import Settings
from authserver.sign_in.devices import DeviceCookies
from authserver.sign_in.password import PasswordCheck
from authserver.throttling.throttle import Throttle
from authserver.tokens.access_token import AccessTokens
from authserver.tokens.bearer import BearerTokens
from authserver.tokens.introspection import Introspection
from authserver.tokens.status_list import StatusLists
from authserver.urls import path_of
from authserver.web_apps import module
from authserver.web_apps.cookies import CookieJar


@dataclass(frozen=True, slots=True)
class RunningApp:
    """The objects that code outside of requests needs from the app. It is in `app.extensions["authserver"]`."""

    settings: Settings
    database: Database
    keyring: Keyring
    hasher: PasswordHasher
    housekeeping: Housekeeping
    oauth: OAuthServer
    hints: Hints


def create_app(settings: Settings) -> Flask:
    """Build the WSGI application. The schema has to be there; the first keys are made where there are none.

    Raises:
        SchemaOutdated: run `authserver db upgrade`.
        MasterKeyError: the master key is missing, or is not the one that the database's keys are sealed under.
    """
    configure_logging(settings.log, on_lost=NOT_RECORDED.labels("log").inc)
    app = Flask("authserver", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.server.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]

    database = open_database(app, settings, FailureLog().note)
    schema.check(database)

    vault = open_vault(settings)
    key_rotation = KeyRotation(database, vault, schedule(settings), algorithm=settings.tokens.algorithm)
    key_rotation.ensure()
    keyring = Keyring(database, vault, max_age=settings.caches.max_age)
    keyring.current()

    clients = ClientRegistry(database, settings.tokens, max_age=settings.caches.max_age)
    clients.learn_origins()
    catalogue = CatalogueCache(database, max_age=settings.caches.max_age)
    audit = RefusalRecorder(database)
    activity = Activity()
    references = References(vault.reference_key())
    hasher = open_hasher(settings)
    counts = open_counts(settings, database, vault)
    throttle = Throttle(counts.counters, counts.rules, counts.slots)
    passwords = PasswordCheck(database, hasher, throttle, audit, references)

    rotation = Rotation(database, keyring, clients, audit, references)
    access_tokens = AccessTokens(keyring, settings.issuer)
    services = Services(
        issuer=settings.issuer,
        database=database,
        clients=clients,
        catalogue=catalogue,
        passwords=passwords,
        throttle=throttle,
        opening=Opening(database, keyring, StatusIndices(database)),
        rotation=rotation,
        access_tokens=access_tokens,
        introspection=Introspection(database, access_tokens, rotation, settings.issuer),
        status_lists=StatusLists(
            database, keyring, settings.issuer, ttl=settings.status.ttl, lifetime=settings.status.lifetime
        ),
        audit=audit,
        activity=activity,
        cookies=CookieJar(settings.issuer),
        bearer_tokens=BearerTokens(database, access_tokens),
    )
    refusals = Refusals(references, activity)
    oauth = OAuthServer(services, refusals, grant_classes())

    base = path_of(settings.issuer)
    context = Context(
        settings.issuer, oauth, keyring, settings.keys.jwks_max_age, ENDPOINTS, settings.web_apps.request_headers
    )
    adapter.register(app, context)
    module.register(app, base)
    errors = ErrorForms()
    adapter.register_errors(app, oauth, errors)
    if settings.pages.account or settings.pages.admin:
        pages = Pages(
            issuer=settings.issuer,
            visits=Visits(database, settings.pages),
            passwords=passwords,
            signer=FlashSigner(vault.pages_key()),
            browser=KnownBrowser.of(settings.issuer, DeviceCookies(throttle.slots)),
        )
        pages.register(app)
        errors.add(f"{base}/account", ErrorPages(pages, references))
        errors.add(f"{base}/admin", ErrorPages(pages, references))
        app.register_blueprint(sign_in.sign_in_blueprint(pages))
        app.register_blueprint(sign_in.visit_blueprint(pages))
        account.register(app, pages, database, settings, catalogue, hasher, throttle)
    health.register(app, Readiness(database, keyring, max_clock_skew=settings.database.max_clock_skew), base)
    exposition.register(app, settings.metrics.token, base)
    if settings.pages.admin:
        resources = AdminResources(vault, keyring, open_hasher(settings, "-administration", concurrency=1), counts)
        app.register_blueprint(console.blueprint(pages, Console(database.patient(), settings, resources)))
        api.register(app, AdminApi(settings, database.patient(), resources, services.bearer_tokens, refusals), errors)
    app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]
        SecurityHeaders(app.wsgi_app, settings.issuer),
        settings.trusted_proxies,
        settings.forwarded_header,
        partial(activity.count, UNBELIEVED),
    )

    housekeeping = Housekeeping(
        database.patient(),
        key_rotation,
        settings.retention,
        counted=activity,
        uses=clients.uses,
        indices=services.opening.indices,
        beside=[
            Regularly("heartbeat", heartbeat.EVERY, Heartbeat(database).beat),
            Regularly("status-lists", settings.status.ttl / 4, services.status_lists.keep_warm),
        ],
    )
    app.extensions["authserver"] = RunningApp(
        settings,
        database,
        keyring,
        hasher,
        housekeeping,
        oauth,
        Hints(
            settings.server.kept_free,
            at_hand(of_app(context)),
            TURNED_AWAY.inc,
            for_pages(context),
            bounded_sign_ins(context, hasher.pool),
        ),
    )
    return app


def make_app(settings: Settings) -> Flask:
    """Build the application of one worker, with its housekeeping under way.

    It has read what the key set and the metadata say, so it can answer both if the database is away from then on.
    """
    app = create_app(settings)
    running: RunningApp = app.extensions["authserver"]
    running.oauth.services.catalogue.current()
    running.housekeeping.start()
    return app


def hints(app: WSGIApplication) -> Hints:
    """Which requests of the application wait for nothing."""
    running: RunningApp = cast("Flask", app).extensions["authserver"]
    return running.hints


def large_bodies(settings: Settings) -> dict[str, int]:
    """The paths whose requests may be larger than `server.max_body_bytes`, and the bytes that they may have."""
    return api.large_bodies(settings.issuer)


def stop_app(app: WSGIApplication) -> None:
    """End what `make_app` began: housekeeping writes what it still holds."""
    if isinstance(app, Flask):
        app.extensions["authserver"].housekeeping.stop()


def open_hasher(settings: Settings, purpose: str = "", *, concurrency: int | None = None) -> PasswordHasher:
    """A hasher; its slots are shared by all processes of this user on this machine that hash for the same purpose."""
    passwords = settings.passwords
    return PasswordHasher(
        Path(tempfile.gettempdir()) / f"authserver{purpose}-{os.getuid()}",
        memory_kib=passwords.argon2_memory_kib,
        time_cost=passwords.argon2_time_cost,
        parallelism=passwords.argon2_parallelism,
        concurrency=concurrency or passwords.hashing_concurrency,
        queue=passwords.hashing_queue,
    )
