"""All settings, each with its type, its default and its limits. The docstring of a field is its documentation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.engine import URL, make_url

from authserver.settings.types import (
    BearerToken,
    DatabaseUrl,
    Directory,
    HeaderNames,
    Hosts,
    Issuer,
    MasterKey,
    Moment,
    Networks,
    Seconds,
    StoreUrl,
    Whole,
    lower_case,
    upper_case,
)

DAY = 86_400

#: A header in which proxies tell the address of their client.
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]

#: The request headers that common libraries for tracing add to every `fetch` of a page.
TRACING_HEADERS = (
    "traceparent", "tracestate", "baggage", "sentry-trace", "newrelic", "b3", "x-b3-traceid", "x-b3-spanid",
    "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "x-datadog-trace-id", "x-datadog-parent-id",
    "x-datadog-origin", "x-datadog-sampling-priority", "x-datadog-sampled", "x-datadog-tags",
    "elastic-apm-traceparent", "uber-trace-id", "x-amzn-trace-id", "x-cloud-trace-context", "request-id",
    "request-context", "x-request-id", "x-correlation-id",
)  # fmt: skip

#: The longest life that any setting, present or earlier, gives an access token: a revoked one stays listed as long.
LONGEST_ACCESS_TOKEN = DAY

#: A verifier may allow this much clock skew, in seconds: what was ended or retired is needed that much longer.
LEEWAY = 300


class Group(BaseModel):
    """Settings that belong together; cannot be changed once read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        # Pydantic would print the refused value, which may be a secret.
        hide_input_in_errors=True,
    )


class ServerSettings(Group):
    host: Hosts = "127.0.0.1"
    """Address to listen on, or a list of several; "::" means all addresses of IPv6 and IPv4."""
    port: Annotated[Whole, Field(ge=1, le=65_535)] = 8000
    """Port to listen on."""
    workers: Annotated[Whole, Field(ge=1, le=1024)] = 2
    """Worker processes."""
    threads: Annotated[Whole, Field(ge=4, le=1024)] = 16
    """Threads of one worker."""
    max_body_bytes: Annotated[Whole, Field(ge=16_384, le=16_777_216)] = 65_536
    """Largest request body that is read, in bytes."""
    shutdown_timeout: Annotated[Seconds, Field(ge=0)] = 30
    """Seconds that requests in flight get to finish when the server stops."""

    @property
    def kept_free(self) -> int:
        """How many threads of a worker are never taken by requests that may wait for the database."""
        return min(4, self.threads // 4)


class DatabaseSettings(Group):
    url: DatabaseUrl | None = None
    """URL of the database, postgresql:// or sqlite:///; without one an SQLite file in `data_dir`."""
    pool_size: Annotated[Whole, Field(ge=1, le=1024)] = 8
    """Connections that one worker keeps at most."""
    timeout: Annotated[Seconds, Field(ge=1)] = 5
    """Seconds that a request waits for the database: for a connection, a lock and the answers. Then it is answered with 503."""
    prepared_statements: bool = True
    """Whether PostgreSQL keeps the plans of frequent statements; false for PgBouncer with transaction pooling."""
    max_clock_skew: Annotated[Seconds, Field(ge=1)] = 5
    """Seconds by which this node's clock may differ from the database's before the node counts as not ready."""
    all_nodes_new: bool = False
    """Whether no node of the version before runs any more. After an upgrade, users with a subject or without a name need it."""


class TokenSettings(Group):
    algorithm: Literal["ES256", "EdDSA", "RS256"] = "ES256"
    """Signature algorithm of access tokens, for signing keys that are made from now on."""
    access_token_lifetime: Annotated[Seconds, Field(ge=1)] = 900
    """Seconds that an access token is valid, unless the client is set otherwise."""
    refresh_idle_lifetime: Annotated[Seconds, Field(ge=1)] = 7 * DAY
    """Seconds without a refresh after which a session ends, unless the client is set otherwise."""
    refresh_absolute_lifetime: Annotated[Seconds, Field(ge=1)] = 30 * DAY
    """Seconds after sign-in at which a session ends in any case, unless the client is set otherwise."""
    max_access_token_lifetime: Annotated[Seconds, Field(ge=1, le=LONGEST_ACCESS_TOKEN)] = LONGEST_ACCESS_TOKEN
    """Longest access token lifetime that a client may be set to, in seconds."""
    max_refresh_idle_lifetime: Annotated[Seconds, Field(ge=1)] = 90 * DAY
    """Longest idle lifetime that a client may be set to, in seconds."""
    max_refresh_absolute_lifetime: Annotated[Seconds, Field(ge=1)] = 365 * DAY
    """Longest absolute lifetime that a client may be set to, in seconds."""
    retry_window: Annotated[Seconds, Field(ge=0, le=300)] = 30
    """Seconds in which a refresh may be repeated and gets the same answer; 0 means strict single use."""
    max_sessions_per_user_and_client: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    """Sessions that a user may have through one client; the oldest ends at a further sign-in. Not set: no limit."""


class KeySettings(Group):
    signing_key_lifetime: Annotated[Seconds, Field(ge=1)] = 30 * DAY
    """Age in seconds at which the active signing key is replaced by the next."""
    token_key_lifetime: Annotated[Seconds, Field(ge=1)] = 90 * DAY
    """Age in seconds at which the keys behind refresh tokens are replaced; users stay signed in."""
    jwks_max_age: Annotated[Seconds, Field(ge=0, le=300)] = 300
    """Seconds that the key set may be cached; a next key is published at least this long before it signs."""


class PasswordSettings(Group):
    argon2_memory_kib: Annotated[Whole, Field(ge=8, le=4_194_304)] = 19_456
    """Memory of one password hash, in KiB."""
    argon2_time_cost: Annotated[Whole, Field(ge=1, le=1000)] = 2
    """Passes over that memory."""
    argon2_parallelism: Annotated[Whole, Field(ge=1, le=64)] = 1
    """Lanes of one hash; each takes a core."""
    hashing_concurrency: Annotated[Whole, Field(ge=1, le=1024)] | None = None
    """Passwords that this machine hashes at once, over all workers. Not set: its cores less one, at least one."""
    hashing_queue: Annotated[Whole, Field(ge=1, le=1024)] = 8
    """Sign-ins that one worker may hold, waiting or hashing; further ones are told to come back later."""
    min_length: Annotated[Whole, Field(ge=8, le=256)] = 8
    """Shortest password that may be set, in characters."""
    max_length: Annotated[Whole, Field(ge=8, le=256)] = 256
    """Longest password that may be set, in characters."""
    refuse_common: bool = True
    """Whether a new password may not be a common one or a simple variation, a repetition or a sequence."""
    refuse_names: bool = True
    """Whether a new password may not be little more than its user's name or address, or the name of the service."""
    breached_dir: Directory | None = None
    """Directory of files of breached passwords, by range of SHA-1 as Have I Been Pwned gives them. Not set: none are read."""


class ThrottlingSettings(Group):
    place: Annotated[Whole, Field(ge=0, le=10_000)] = 10
    """Wrong passwords of one account from one place or known device that have no delay; 0 switches this count off."""
    address: Annotated[Whole, Field(ge=0, le=1_000_000)] = 300
    """Wrong passwords from one address (IPv4 /24, IPv6 /64) that have no delay, for all accounts; 0 switches it off."""
    strangers: Annotated[Whole, Field(ge=0, le=10_000)] = 30
    """Wrong passwords of one account from all places together that its user does not use; 0 switches it off."""
    strangers_in_a_row: Annotated[Whole, Field(ge=0, le=1000)] = 100
    """The same without a success in between, from which on all strangers wait `longest_delay`; 0 switches it off."""
    client_secret: Annotated[Whole, Field(ge=0, le=10_000)] = 30
    """Wrong secrets of one client from one place that have no delay; 0 switches it off. Right ones are never delayed."""
    link: Annotated[Whole, Field(ge=0, le=10_000)] = 30
    """Wrong or used links for a password from one place that have no delay; 0 switches it off."""
    longest_delay: Annotated[Seconds, Field(ge=1, le=3600)] = 900
    """Most seconds until the next attempt. Delays begin with one second and double."""
    store: StoreUrl = None
    """URL of a Redis or Valkey that keeps the counts; not set, or "database": the database keeps them."""


class RetentionSettings(Group):
    ended_sessions: Annotated[Seconds, Field(ge=0)] = 7 * DAY
    """Seconds that the row of an ended session stays, so that refusals can be explained."""
    audit: Annotated[Seconds, Field(ge=DAY)] = 365 * DAY
    """Seconds that audit events stay; at least a day."""
    prune_interval: Annotated[Seconds, Field(ge=1)] = 3600
    """Seconds between two clean-ups by the server itself."""
    activity: Annotated[Seconds, Field(ge=DAY)] = 90 * DAY
    """Seconds that counts of activity stay, for the charts of the console."""
    prune_batch: Annotated[Whole, Field(ge=1, le=10_000)] = 500
    """Most rows that a clean-up deletes at once; it takes fewer where that would hold locks for long."""


class StatusSettings(Group):
    ttl: Annotated[Seconds, Field(ge=1, le=3600)] = 8
    """Seconds that a status list may be cached; a revocation reaches APIs within about two more."""
    lifetime: Annotated[Seconds, Field(ge=60, le=LONGEST_ACCESS_TOKEN)] = 43_200
    """Seconds that APIs can rely on a signed status list while authserver is out of reach; longer than `ttl`."""


class CacheSettings(Group):
    max_age: Annotated[Moment, Field(gt=0, le=5)] = 4.0
    """Seconds (fractions allowed) after which a node has noticed a change to clients, APIs and keys; at most 5."""


class PageSettings(Group):
    admin: bool = True
    """Whether /admin/ (the console) and /admin/api are served; the command line works in any case."""
    account: bool = True
    """Whether /account/ is served, where users see and end their own sessions and change their password."""
    idle_timeout: Annotated[Seconds, Field(ge=60, le=DAY)] = 900
    """Seconds without a request after which a browser is signed out of these pages."""
    lifetime: Annotated[Seconds, Field(ge=60, le=30 * DAY)] = 43_200
    """Seconds after which a browser has to sign in again in any case."""
    confirmation: Annotated[Seconds, Field(ge=0, le=3600)] = 300
    """Seconds for which dangerous acts do not ask again for a password that was just typed."""
    link_lifetime: Annotated[Seconds, Field(ge=60, le=30 * DAY)] = DAY
    """Seconds that a link for setting a password can be used, once."""


class WebAppSettings(Group):
    request_headers: HeaderNames = TRACING_HEADERS
    """Names of request headers that pages of registered origins may add, beside Authorization and Content-Type."""


class LogSettings(Group):
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(upper_case)] = "INFO"
    """Lowest severity that is logged. Audit events are always logged."""
    format: Literal["json", "console"] = "json"
    """`json` writes one object a line, for programs; `console` writes coloured text, for people."""


class MetricsSettings(Group):
    token: BearerToken | None = None
    """Bearer token that /metrics asks for, at least 16 characters; without one /metrics answers 404."""


class Values(Group):
    """Everything that an operator can set, each checked by itself."""

    environment: Literal["development", "production"] = "development"
    """Kind of installation; production demands an https issuer, a master key and an explicit database."""
    issuer: Issuer = "http://127.0.0.1:8000"
    """Address under which clients and APIs reach authserver, and the claim `iss`; an absolute URL, may have a path."""
    data_dir: Directory = Path("data")
    """Directory of the embedded database, authserver.db."""
    key_dir: Directory = Path("keys")
    """Directory of the embedded master key, master.key; apart from the data, so that a copy of the data lacks it."""
    master_key: MasterKey | None = None
    """32 bytes in base64 or base64url that seal all other keys; without it the file master.key in `key_dir`."""
    old_master_key: MasterKey | None = None
    """The previous master key while keys are re-wrapped: it opens sealed values, and seals no new ones."""
    trusted_proxies: Networks = ()
    """Networks (CIDR) of the proxies whose forwarded header is believed."""
    forwarded_header: Annotated[ForwardedHeader, BeforeValidator(lower_case)] = "x-forwarded-for"
    """Header in which these proxies tell the address of their client; no other one is read."""
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    tokens: TokenSettings = TokenSettings()
    keys: KeySettings = KeySettings()
    passwords: PasswordSettings = PasswordSettings()
    throttling: ThrottlingSettings = ThrottlingSettings()
    retention: RetentionSettings = RetentionSettings()
    status: StatusSettings = StatusSettings()
    caches: CacheSettings = CacheSettings()
    pages: PageSettings = PageSettings()
    web_apps: WebAppSettings = WebAppSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def database_url(self) -> URL:
        """The database in use; its `str()` hides the password."""
        if self.database.url is not None:
            return make_url(self.database.url.get_secret_value())
        # Absolute, because Flask-SQLAlchemy counts a relative path from the instance folder.
        return URL.create("sqlite", database=str(self.data_dir.absolute() / "authserver.db"))

    @property
    def master_key_file(self) -> Path:
        """The embedded master key; counts when `master_key` is not set."""
        return self.key_dir / "master.key"
