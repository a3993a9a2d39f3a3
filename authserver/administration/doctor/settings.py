"""Checks of the settings alone: what holds, and yet is weaker or costlier than an operator may think.

They need no database, so a start of the server and `authserver settings check` run them too.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from authserver.administration.doctor.finding import About, Finding, Findings, Severity, set_to
from authserver.passwords.breached import is_readable
from authserver.settings.model import Settings
from authserver.settings.rules import OWASP_ARGON2_MINIMA
from authserver.settings.values import DAY
from authserver.urls import is_loopback

HOUR = 3600
#: RFC 6750 section 5.3: an hour or less.
LONGEST_ADVISED_ACCESS_TOKEN = HOUR
#: A thief who comes inside the window, right after the client, is not found out. Keep it as short as networks allow.
LONGEST_ADVISED_WINDOW = 60
SHORT_WINDOW = "an app that gets 503 from a database that stalls may come again too late, and is signed out"
LONGEST_ADVISED_SESSION = 90 * DAY
LONGEST_ADVISED_STATUS_TTL = 60
#: NIST SP 800-63B-4 section 3.1.1.2, for a password that is the only factor.
SHORTEST_ADVISED_PASSWORD = 15
_LOOPBACK = "127.0.0.1/32,::1/128"


def _finding(check: str, severity: Severity, name: str, reason: str, command: str | None) -> Finding:
    return Finding(f"settings.{check}", severity, About.SETTING, name, reason, command)


def http_issuer(settings: Settings) -> Findings:
    if not settings.issuer.startswith("https://") and not is_loopback(settings.issuer):
        reason = (
            "passwords and tokens travel readable over http; use https off this machine "
            "(RFC 6749 section 3.2, RFC 9700 section 2.6)"
        )
        command = set_to(issuer=settings.issuer.replace("http://", "https://", 1))
        yield _finding("http-issuer", Severity.ERROR, "issuer", reason, command)


def development(settings: Settings) -> Findings:
    if settings.environment == "development" and not is_loopback(settings.issuer):
        reason = (
            "development, and yet others reach the issuer: production refuses what is unsafe there (plain http, cheap "
            "password hashes, a master key or database that made itself)"
        )
        yield _finding("development", Severity.WARNING, "environment", reason, set_to(environment="production"))


def trusted_proxies(settings: Settings) -> Findings:
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        reason = (
            "every address counts as a proxy, so anyone can forge the address that is recorded; name the addresses of "
            "your proxies (RFC 9700 section 4.13)"
        )
        yield _finding("trusted-proxies", Severity.ERROR, "trusted_proxies", reason, set_to(trusted_proxies=_LOOPBACK))
    elif settings.environment == "production" and not settings.trusted_proxies:
        reason = "none, so forwarded headers are ignored; behind a proxy every request seems to come from its address"
        command = set_to(trusted_proxies=_LOOPBACK)
        yield _finding("no-trusted-proxies", Severity.NOTE, "trusted_proxies", reason, command)


def sqlite(settings: Settings) -> Findings:
    if settings.environment == "production" and settings.database_url.get_backend_name() == "sqlite":
        reason = (
            "SQLite serves one host only, and no second node can take over; use PostgreSQL beyond that, and never put "
            "the file on a network drive"
        )
        command = set_to(database__url="postgresql://USER:PASSWORD@HOST:5432/DATABASE")
        yield _finding("sqlite", Severity.NOTE, "database.url", reason, command)


def master_key_place(settings: Settings) -> Findings:
    if settings.master_key is not None:
        return
    key_dir, url = settings.key_dir.resolve(), settings.database_url
    holders = [settings.data_dir.resolve()]
    if url.get_backend_name() == "sqlite" and url.database:
        holders.append(Path(url.database).resolve().parent)
    beside = [holder for holder in holders if key_dir.is_relative_to(holder)]
    if beside:
        elsewhere = min(beside, key=lambda holder: len(holder.parts)).parent / "authserver-keys"
        reason = "lies where the data lies, so a copy of the data holds the key that opens it; keep them apart"
        command = f"{shlex.join(['mv', str(key_dir), str(elsewhere)])} && {set_to(key_dir=str(elsewhere))}"
        yield _finding("master-key-place", Severity.WARNING, "key_dir", reason, command)


def old_master_key(settings: Settings) -> Findings:
    if settings.old_master_key is not None:
        reason = "still opens keys; unset it once all keys are re-wrapped"
        command = "unset AUTHSERVER_OLD_MASTER_KEY AUTHSERVER_OLD_MASTER_KEY_FILE"
        yield _finding("old-master-key", Severity.NOTE, "old_master_key", reason, command)


def argon2(settings: Settings) -> Findings:
    passwords = settings.passwords
    enough = [memory for memory, passes in OWASP_ARGON2_MINIMA if passwords.argon2_time_cost >= passes]
    if passwords.argon2_memory_kib < min(enough):
        reason = (
            f"{passwords.argon2_memory_kib:,} KiB with {passwords.argon2_time_cost} passes is below OWASP's minima for "
            "Argon2id: a thief of the database guesses passwords cheaply"
        )
        command = set_to(passwords__argon2_memory_kib=str(min(enough)))
        yield _finding("argon2", Severity.WARNING, "passwords.argon2_memory_kib", reason, command)


def new_passwords(settings: Settings) -> Findings:
    passwords = settings.passwords
    if passwords.min_length < SHORTEST_ADVISED_PASSWORD:
        reason = (
            f"{passwords.min_length}: NIST asks for {SHORTEST_ADVISED_PASSWORD} characters where the password is the only "
            "factor, as it is here (SP 800-63B-4 section 3.1.1.2); present passwords go on to work"
        )
        command = set_to(passwords__min_length=str(SHORTEST_ADVISED_PASSWORD))
        yield _finding("min-length", Severity.NOTE, "passwords.min_length", reason, command)
    for check, name in (("refuse-common", "refuse_common"), ("refuse-names", "refuse_names")):
        if not getattr(passwords, name):
            reason = "false, so users may set passwords that attackers try first (NIST SP 800-63B-4 section 3.1.1.2)"
            command = set_to(**{f"passwords__{name}": "true"})
            yield _finding(check, Severity.WARNING, f"passwords.{name}", reason, command)


def breached_files(settings: Settings) -> Findings:
    directory = settings.passwords.breached_dir
    if directory is not None and not all(is_readable(directory, prefix) for prefix in ("00000", "FFFFF")):
        reason = (
            "lacks its first or its last file, or this user may not read it: a new password whose file cannot be read is "
            "not compared; a download of all ranges has 1,048,576 files, 00000 to FFFFF, with or without .txt"
        )
        yield _finding("breached-files", Severity.WARNING, "passwords.breached_dir", reason, None)


def access_token_lifetime(settings: Settings) -> Findings:
    if settings.tokens.access_token_lifetime > LONGEST_ADVISED_ACCESS_TOKEN:
        reason = (
            "longer than an hour: a stolen access token is good for as long at APIs that read no status list "
            "(RFC 6750 section 5.3); apps refresh silently, so a short one costs nothing"
        )
        command = set_to(tokens__access_token_lifetime="15m")
        yield _finding("access-token-lifetime", Severity.WARNING, "tokens.access_token_lifetime", reason, command)


def refresh_lifetime(settings: Settings) -> Findings:
    tokens = settings.tokens
    if tokens.refresh_absolute_lifetime > LONGEST_ADVISED_SESSION:
        values = {"tokens__refresh_absolute_lifetime": "30d"}
        if tokens.refresh_idle_lifetime > 30 * DAY:
            values["tokens__refresh_idle_lifetime"] = "7d"
        reason = "longer than 90 days: a thief with the device stays signed in for as long (RFC 9700 section 4.14.2)"
        command = set_to(**values)
        yield _finding("refresh-lifetime", Severity.WARNING, "tokens.refresh_absolute_lifetime", reason, command)


def retry_window(settings: Settings) -> Findings:
    window = settings.tokens.retry_window
    if window > LONGEST_ADVISED_WINDOW:
        reason = (
            f"{window} s: a thief who comes inside the window, right after the client, is not found out; a minute "
            "covers every network (RFC 9700 section 4.14.2)"
        )
        command = set_to(tokens__retry_window="30s")
        yield _finding("retry-window", Severity.WARNING, "tokens.retry_window", reason, command)
    if window == 0:
        reason = "0, so an app that loses the answer to a refresh is signed out"
        command = set_to(tokens__retry_window="30s")
        yield _finding("no-retry-window", Severity.NOTE, "tokens.retry_window", reason, command)
    if 0 < window < (least := shortest_window(settings)):
        reason = f"{window} s: {SHORT_WINDOW} (database.timeout)"
        short_enough = least <= LONGEST_ADVISED_WINDOW
        command = set_to(tokens__retry_window=f"{max(30, least)}s") if short_enough else set_to(database__timeout="5s")
        yield _finding("short-retry-window", Severity.WARNING, "tokens.retry_window", reason, command)


def shortest_window(settings: Settings) -> int:
    """The seconds that a client needs whose request met a stall: it waits for its 503, and its next request may wait too."""
    return 2 * settings.database.timeout


def status_ttl(settings: Settings) -> Findings:
    ttl = settings.status.ttl
    if ttl > LONGEST_ADVISED_STATUS_TTL:
        reason = f"{ttl} s: for so long after a session has ended, APIs may go on to accept its access tokens"
        yield _finding("status-ttl", Severity.WARNING, "status.ttl", reason, set_to(status__ttl="8s"))


def page_times(settings: Settings) -> Findings:
    if settings.pages.idle_timeout > HOUR:
        reason = "longer than an hour: a browser that is left alone can administer for as long"
        yield _finding("idle-timeout", Severity.NOTE, "pages.idle_timeout", reason, set_to(pages__idle_timeout="15m"))
    if settings.pages.link_lifetime > 7 * DAY:
        reason = (
            "longer than a week: the finder of an old mail with a link can set the password, if its user has not yet"
        )
        yield _finding("link-lifetime", Severity.NOTE, "pages.link_lifetime", reason, set_to(pages__link_lifetime="1d"))


def log_level(settings: Settings) -> Findings:
    if settings.log.level == "DEBUG":
        reason = "DEBUG writes much, and slows every request"
        yield _finding("log-level", Severity.NOTE, "log.level", reason, set_to(log__level="INFO"))


def metrics(settings: Settings) -> Findings:
    if settings.metrics.token is None:
        reason = "not set, so /metrics answers 404"
        command = "export AUTHSERVER_METRICS__TOKEN=$(openssl rand -hex 32)"
        yield _finding("metrics", Severity.NOTE, "metrics.token", reason, command)


CHECKS = (
    http_issuer, development, trusted_proxies, sqlite, master_key_place, old_master_key, argon2, new_passwords,
    breached_files,
    access_token_lifetime, refresh_lifetime, retry_window, status_ttl, page_times, log_level, metrics,
)  # fmt: skip


def examine(settings: Settings) -> list[Finding]:
    """What every check finds in these settings."""
    return [finding for check in CHECKS for finding in check(settings)]
