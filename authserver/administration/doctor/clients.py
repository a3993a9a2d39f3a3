"""Checks of clients: what RFC 9700 and RFC 10017 advise against, and what cannot work or is not used."""

from __future__ import annotations

from authserver.administration import cookie_size
from authserver.administration.doctor import settings as of_settings
from authserver.administration.doctor.finding import About, Finding, Findings, Severity, authserver
from authserver.administration.doctor.survey import Survey
from authserver.clients.grants import gives_a_first_token
from authserver.clients.model import ClientRecord
from authserver.clients.origins import origin_problem
from authserver.database.tables import present
from authserver.settings.values import DAY

_DAY_MS = DAY * 1000


def _finding(check: str, severity: Severity, row: ClientRecord, reason: str, command: str | None) -> Finding:
    return Finding(f"client.{check}", severity, About.CLIENT, row.client_id, reason, command)


def _edit(row: ClientRecord, **options: str | bool) -> str:
    return authserver("clients", "edit", row.client_id, **options)


def password_grant(seen: Survey) -> Findings:
    for row in seen.clients:
        if "password" in row.grants:
            browser = ", and RFC 10017 section 7.3 for code in a page" if row.kind == "browser" else ""
            reason = (
                f"users type their passwords into the app; RFC 9700 section 2.4 forbids this grant{browser}: keep it "
                "for apps of your own, and take it away from all others"
            )
            yield _finding("password-grant", Severity.WARNING, row, reason, _edit(row, remove_grant="password"))


def user_address(seen: Survey) -> Findings:
    for row in seen.clients:
        if "password" in row.grants and "none" not in row.auth_methods and not row.sends_user_address:
            reason = (
                "does not send its users' addresses, so they share one place: wrong passwords of a user are counted "
                "together, and anybody who knows the name delays its user there; let it send them, then say so"
            )
            yield _finding("user-address", Severity.NOTE, row, reason, _edit(row, user_address=True))


def unused_secret(seen: Survey) -> Findings:
    for row in seen.clients:
        unused = row.secret_digest is not None and row.secret_used_at is None and not _uses_previous(seen, row)
        if unused and seen.now - row.changed_at > _DAY_MS:
            reason = (
                "its secret has not been used since it was made, more than a day ago: disable the client if nothing "
                "needs it"
            )
            command = authserver("clients", "disable", row.client_id, yes=True)
            yield _finding("unused-secret", Severity.WARNING, row, reason, command)


def previous_secret(seen: Survey) -> Findings:
    """Another rotation would end the secret that is in use, so only the client's operator can correct this."""
    for row in seen.clients:
        if _uses_previous(seen, row):
            hours = max(1, (present(row.previous_secret_expires_at) - seen.now) // 3_600_000)
            reason = (
                f"has used its previous secret and not yet the new one; the previous one ends in about {hours} h, and "
                "the client is refused from then on: give it the new one before that"
            )
            yield _finding("previous-secret", Severity.WARNING, row, reason, None)


def _uses_previous(seen: Survey, row: ClientRecord) -> bool:
    until, used = row.previous_secret_expires_at, row.previous_secret_used_at
    if row.previous_secret_digest is None or used is None or until is None or until <= seen.now:
        return False
    return row.secret_used_at is None or used > row.secret_used_at


def no_first_token(seen: Survey) -> Findings:
    for row in seen.clients:
        if not gives_a_first_token(row.grants):
            grant = "client_credentials" if row.kind == "service" and row.secret_digest is not None else "password"
            reason = f"cannot sign in: none of its grants ({', '.join(sorted(row.grants))}) gives it a first token"
            yield _finding("no-first-token", Severity.WARNING, row, reason, _edit(row, add_grant=grant))


def unknown_scopes(seen: Survey) -> Findings:
    for row in seen.clients:
        for scope in sorted((row.scopes | (row.default_scopes or frozenset())) - seen.catalogue.scopes.keys()):
            reason = (
                f"may ask for {scope}, which no API owns any more: such a request is refused, and registering "
                "the scope again gives it to this client"
            )
            yield _finding("unknown-scope", Severity.WARNING, row, reason, _edit(row, remove_scope=scope))


def no_scopes(seen: Survey) -> Findings:
    for row in seen.clients:
        if not row.scopes:
            reason = "has no scopes, so its tokens open nothing at an API that asks for one (RFC 9700 section 2.3)"
            yield _finding("no-scopes", Severity.NOTE, row, reason, _edit(row, add_scope="SCOPE"))


def browser_secret(seen: Survey) -> Findings:
    for row in seen.clients:
        if row.kind == "browser" and row.secret_digest is not None:
            reason = "has a secret that everybody can read in the page's code (RFC 10017 section 6.3.3.1)"
            yield _finding("browser-secret", Severity.WARNING, row, reason, _edit(row, auth_method="none"))


def browser_without_cookie(seen: Survey) -> Findings:
    for row in seen.clients:
        if row.kind == "browser" and row.token_delivery in (None, "json"):
            reason = "hands its refresh token to the code of a page, where any script that gets in takes it (RFC 10017)"
            command = _edit(row, token_delivery="cookie", add_origin="URL")
            yield _finding("browser-without-cookie", Severity.WARNING, row, reason, command)


def impossible_origin(seen: Survey) -> Findings:
    """Earlier versions took origins that no browser sends."""
    for row in seen.clients:
        for origin in sorted(row.origins or ()):
            if (problem := origin_problem(origin)) is not None:
                command = _edit(row, remove_origin=origin, add_origin="URL")
                yield _finding("impossible-origin", Severity.WARNING, row, f"its origin {problem}", command)


def access_cookie(seen: Survey) -> Findings:
    """Counts the longest roles of a user too: that user is refused."""
    longest = max(seen.role_sets, key=lambda roles: sum(map(len, roles)), default=frozenset[str]())
    for row in seen.clients:
        if cookie_size.may_be_too_long(row, seen.catalogue, seen.settings.issuer, longest):
            command = _edit(row, token_delivery="cookie")
            yield _finding("access-cookie", Severity.WARNING, row, cookie_size.TOO_LONG, command)


def late_retries(seen: Survey) -> Findings:
    for row in seen.clients:
        if row.late_retries > 1:
            reason = (
                f"{row.late_retries} late retries: each one beyond the first makes a stolen refresh token harder to "
                "find out (RFC 9700 section 4.14.2)"
            )
            yield _finding("late-retries", Severity.WARNING, row, reason, _edit(row, late_retries="1"))


def retry_window(seen: Survey) -> Findings:
    least = of_settings.shortest_window(seen.settings)
    for row in seen.clients:
        if row.retry_window is not None and row.retry_window > of_settings.LONGEST_ADVISED_WINDOW:
            reason = (
                f"a retry window of {row.retry_window} s: a thief who comes inside it, right after the client, is not "
                "found out (RFC 9700 section 4.14.2)"
            )
            yield _finding("retry-window", Severity.WARNING, row, reason, _edit(row, retry_window="30s"))
        if row.retry_window == 0 and row.refresh_policy == "rotate" and "refresh_token" in row.grants:
            reason = "no retry window, so the app is signed out when it loses the answer to a refresh"
            yield _finding("no-retry-window", Severity.NOTE, row, reason, _edit(row, retry_window="30s"))
        if 0 < (row.retry_window or 0) < least and row.refresh_policy == "rotate" and "refresh_token" in row.grants:
            reason = f"a retry window of {row.retry_window} s: {of_settings.SHORT_WINDOW}"
            command = _edit(row, retry_window=f"{min(max(30, least), of_settings.LONGEST_ADVISED_WINDOW)}s")
            yield _finding("short-retry-window", Severity.WARNING, row, reason, command)


def lifetimes(seen: Survey) -> Findings:
    for row in seen.clients:
        if (row.access_token_lifetime or 0) > of_settings.LONGEST_ADVISED_ACCESS_TOKEN:
            reason = (
                "access tokens of more than an hour: a stolen one is good for as long at APIs that read no status "
                "list (RFC 6750 section 5.3)"
            )
            command = _edit(row, access_token_lifetime="15m")
            yield _finding("access-token-lifetime", Severity.WARNING, row, reason, command)
        if (row.refresh_absolute_lifetime or 0) > of_settings.LONGEST_ADVISED_SESSION:
            idle = {"refresh_idle_lifetime": "7d"} if (row.refresh_idle_lifetime or 0) > 30 * DAY else {}
            reason = (
                "sessions of more than 90 days: a thief with the device stays signed in for as long "
                "(RFC 9700 section 4.14.2)"
            )
            command = _edit(row, refresh_absolute_lifetime="30d", **idle)
            yield _finding("refresh-lifetime", Severity.WARNING, row, reason, command)


CHECKS = (
    password_grant, user_address, unused_secret, previous_secret, no_first_token, unknown_scopes, no_scopes, browser_secret,
    browser_without_cookie, impossible_origin, access_cookie, late_retries, retry_window, lifetimes,
)  # fmt: skip
