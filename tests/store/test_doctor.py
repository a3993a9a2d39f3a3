"""The doctor on a database: a healthy setup has no finding, each fault has exactly its finding, and its cure works."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from authserver.administration.doctor import Severity, check, survey
from authserver.keys.model import Kind
from authserver.records.activity import UNBELIEVED
from authserver.settings.values import PageSettings
from tests.support.commands import parse, run
from tests.support.databases import on_both_databases
from tests.support.healthy import HASH, admin, findings
from tests.support.setup import Setup

pytestmark = on_both_databases

DAY_MS = 86_400_000


def _mobile(setup: Setup, **changes: Any) -> None:
    """A public app with a sign-in and refreshes that the doctor accepts."""
    setup.an_app(**{"client_id": "app", "public": True, "grants": {"refresh_token", "client_credentials"}, **changes})


def _web(setup: Setup, **changes: Any) -> None:
    setup.an_app(**{"client_id": "shop", "grants": {"refresh_token", "client_credentials"}, **changes})


def _in_cookies(setup: Setup, scopes: int = 1) -> None:
    """A page with both tokens in cookies, and scopes of a hundred characters."""
    names = [f"{number:03d}".ljust(100, "x") for number in range(scopes)]
    setup.an_api("https://b.example.com", " ".join(names))
    cookies = {"token_delivery": "both_cookies", "origins": frozenset({"https://app.example.com"})}
    setup.an_app(client_id="shop", public=True, kind="browser", scopes=set(names), **cookies)


def _age_clients(setup: Setup) -> None:
    setup.sql("UPDATE clients SET changed_at = changed_at - :ms", ms=2 * DAY_MS)


def _age_key(kind: str, ms: int) -> Callable[[Setup], None]:
    def age(setup: Setup) -> None:
        changes = "activated_at = activated_at - :ms, created_at = created_at - :ms"
        setup.sql(f"UPDATE keys SET {changes} WHERE kind = :kind", ms=ms, kind=kind)

    return age


def _retire_leaked(setup: Setup) -> None:
    """An opaque key in the state of older versions, which erased only leaked signing keys at once."""
    setup.key_rotation().rotate(Kind.OPAQUE, at_once=True, actor="cli:test")
    setup.sql("UPDATE keys SET leaked = TRUE WHERE kind = 'opaque' AND state = 'retired'")


def _uses_previous_secret(setup: Setup) -> None:
    now = setup.database.now()
    setup.sql(
        "UPDATE clients SET previous_secret_digest = secret_digest, previous_secret_expires_at = :until, "
        "secret_used_at = NULL, previous_secret_used_at = :used WHERE client_id = 'job'",
        until=now + DAY_MS,
        used=now,
    )


def _impossible_origin(setup: Setup) -> None:
    setup.an_app(client_id="shop", public=True, kind="browser")
    setup.sql("UPDATE clients SET origins = 'https://*.example.com' WHERE client_id = 'shop'")


@dataclass(frozen=True)
class Fault:
    """A fault: the change that makes it, its finding, and values for the placeholders of its cure."""

    check: str
    severity: Severity
    make: Callable[[Setup], object]
    says: str
    words: dict[str, str] | None = None


E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
FAULTS = [
    Fault("client.password-grant", W, lambda s: s.an_app(client_id="shop"), "RFC 9700 section 2.4"),
    Fault("client.user-address", N, lambda s: s.an_app(client_id="shop"), "share one place"),
    Fault("client.unused-secret", W, _age_clients, "not been used since"),
    Fault("client.previous-secret", W, _uses_previous_secret, "ends in about 2"),
    Fault("client.no-first-token", W, lambda s: _web(s, grants={"refresh_token"}), "cannot sign in"),
    Fault("client.unknown-scope", W, lambda s: _web(s, scopes={"read", "write", "gone"}), "no API owns any more"),
    Fault("client.no-scopes", N, lambda s: _web(s, scopes=set()), "has no scopes", {"SCOPE": "read"}),
    Fault("client.browser-secret", W, lambda s: _web(s, kind="browser", grants={"refresh_token", "password"}), "10017"),
    Fault("client.browser-without-cookie", W, lambda s: s.an_app(client_id="shop", public=True, kind="browser"), "10017", {"URL": "https://app.example.com"}),
    Fault("client.impossible-origin", W, _impossible_origin, "there are no patterns", {"URL": "https://app.example.com"}),
    Fault("client.access-cookie", W, lambda s: _in_cookies(s, scopes=30), "4,096 bytes"),
    Fault("client.access-cookie", W, lambda s: (_in_cookies(s), s.a_person(roles="x" * 2500, password_hash=HASH)), "4,096 bytes"),
    Fault("client.late-retries", W, lambda s: _web(s, late_retries=3), "3 late retries"),
    Fault("client.retry-window", W, lambda s: _web(s, retry_window=61), "61 s"),
    Fault("client.no-retry-window", N, lambda s: _web(s, retry_window=0), "signed out"),
    Fault("client.short-retry-window", W, lambda s: _web(s, retry_window=9), "too late"),
    Fault("client.access-token-lifetime", W, lambda s: _web(s, access_token_lifetime=3601), "6750 section 5.3"),
    Fault(
        "client.refresh-lifetime",
        W,
        lambda s: _web(s, refresh_absolute_lifetime=91 * 86_400, refresh_idle_lifetime=60 * 86_400),
        "RFC 9700 section 4.14.2",
    ),
    Fault("api.no-scopes", N, lambda s: s.an_api("https://b.example.com", ""), "owns no scopes", {"SCOPE": "write:b"}),
    Fault("scope.unasked", N, lambda s: s.an_api("https://b.example.com", "b"), "no enabled client may ask"),
    Fault(
        "scope.role-without-users",
        W,
        lambda s: (s.an_api("https://b.example.com", "b", {"b": "editor"}), _web(s, scopes={"b"})),
        "role editor",
        {"USER": "anna"},
    ),
    Fault("users.weak-hashes", N, lambda s: s.a_person(password_hash=HASH.replace("19456", "9216")), "next sign-in"),
    Fault("users.imported-hashes", N, lambda s: s.a_person(password_hash="$2b$12$" + "a" * 53), r"\(\$2b\)"),
    Fault(
        "users.no-administrator",
        W,
        lambda s: s.sql("UPDATE users SET roles = '' WHERE username = 'anna'"),
        "no user can sign in to the console",
        {"USER": "anna"},
    ),
    Fault("key.overdue", W, _age_key("signing", 31 * DAY_MS), "24 h ago"),
    Fault("key.due", N, _age_key("opaque", 29 * DAY_MS + 3_600_000), "in 22 h"),
    Fault("key.no-successor", W, lambda s: s.sql("DELETE FROM keys WHERE kind = 'token' AND state = 'next'"), "leak"),
    Fault(
        "key.leaked",
        E,
        lambda s: s.sql("UPDATE keys SET leaked = TRUE WHERE kind = 'signing' AND state = 'active'"),
        "marked as leaked",
    ),
    Fault("key.leaked", E, _retire_leaked, "marked as leaked"),
]  # fmt: skip


def test_a_healthy_setup_yields_nothing(healthy: Setup):
    assert findings(healthy) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.check)
def test_each_sickness_is_found_and_its_cure_works(healthy: Setup, fault: Fault, monkeypatch: pytest.MonkeyPatch):
    fault.make(healthy)
    mine = [one for one in findings(healthy) if one.check == fault.check]
    others = {one.check for one in findings(healthy)} - {fault.check}
    assert others <= {
        "client.password-grant",
        "client.user-address",
        "client.browser-without-cookie",
        "api.no-scopes",
    }, others  # side effects of the fault's client
    assert [one.severity for one in mine] == [fault.severity]
    assert re.search(fault.says, mine[0].reason), mine[0].reason
    command = mine[0].command
    if command is None:
        assert fault.check in {"users.weak-hashes", "users.imported-hashes", "client.previous-secret"}
        return
    for word, value in (fault.words or {}).items():
        assert word in command
        command = command.replace(word, value)
    run(healthy, monkeypatch, command)
    assert fault.check not in {one.check for one in findings(healthy)}


def test_a_token_key_that_is_marked_as_leaked_is_read_on_and_yields_nothing(healthy: Setup):
    (row,) = healthy.sql("SELECT id FROM keys WHERE kind = 'token' AND state = 'active'")
    healthy.key_rotation().mark_leaked(row.id, actor="cli:test")
    assert findings(healthy) == []


def test_a_client_that_has_changed_over_to_its_new_secret_is_healthy(healthy: Setup):
    _uses_previous_secret(healthy)
    assert [one.check for one in findings(healthy)] == ["client.previous-secret"]
    healthy.sql("UPDATE clients SET secret_used_at = previous_secret_used_at + 1")
    assert findings(healthy) == []


def test_a_user_without_a_password_is_named_with_the_command_that_sets_one(healthy: Setup):
    user = healthy.a_person(username="ber ta")
    healthy.sql("UPDATE users SET password_hash = NULL WHERE username = 'ber ta'")
    (one,) = findings(healthy)
    assert (one.check, one.severity, one.subject) == ("users.no-password", Severity.NOTE, "1 user")
    assert parse(str(one.command)) == ["users", "set-password", user.username]


def test_users_whose_hashes_cannot_be_used_are_counted_and_one_is_named(healthy: Setup):
    for encoded in ("$2b$12$" + "a" * 53, HASH.replace("m=19456,t=2", "t=2,m=19456")):
        healthy.a_person(password_hash=encoded)
    assert {one.check for one in findings(healthy)} == {"users.imported-hashes"}, "both can be read"
    for name, encoded in (("berta", HASH[:-30]), ("carla", "$1$salt$wPs2KKIvOKsDHDWxXnE67/")):
        healthy.a_person(username=name, password_hash=encoded)
    (one,) = [one for one in findings(healthy) if one.check == "users.unreadable-hashes"]
    assert (one.severity, one.subject) == (Severity.WARNING, "2 users")
    assert "so they cannot sign in; one of them is" in one.reason
    assert parse(str(one.command)) in [["users", "set-password", name] for name in ("berta", "carla")]


def test_names_in_commands_are_quoted_for_a_shell(healthy: Setup):
    healthy.a_person(username="-x; touch $(id) 'y'")
    healthy.sql("UPDATE users SET password_hash = NULL WHERE username LIKE '-x%'")
    (one,) = findings(healthy)
    assert parse(str(one.command)) == ["users", "set-password", "--", "-x; touch $(id) 'y'"]


def test_kinds_of_hashes_are_counted_in_one_statement_and_named_without_their_salt(healthy: Setup):
    imported = {
        "$scrypt": "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "pbkdf2_sha256": "pbkdf2_sha256$870000$salt$aGFzaGhhc2hoYXNoaGFzaA==",
        "scrypt:32768:8:1": "scrypt:32768:8:1$salt$" + "ab" * 32,
        "$argon2id$v=19$m=65536,t=3,p=4": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
    }
    for encoded in imported.values():
        healthy.a_person(password_hash=encoded)
    seen = survey.take(admin(healthy))
    present = "$argon2id$v=19$m=19456,t=2,p=1"
    assert {one.kind: one.count for one in seen.hashes} == dict.fromkeys([*imported, present], 1)
    assert [one.check for one in check(seen)] == [
        "users.imported-hashes"
    ] * 3  # a more expensive Argon2id is not a weakness


def test_disabled_clients_and_users_are_left_alone(healthy: Setup):
    healthy.an_app(client_id="shop", scopes={"gone"})
    healthy.a_person(username="berta", password_hash="$2b$12$" + "a" * 53)
    assert len(findings(healthy)) == 4
    healthy.sql("UPDATE clients SET enabled = FALSE WHERE client_id = 'shop'")
    healthy.sql("UPDATE users SET enabled = FALSE WHERE username = 'berta'")
    assert findings(healthy) == []


def test_nobody_needs_an_administrator_where_the_console_is_switched_off(healthy: Setup):
    healthy.sql("UPDATE users SET roles = '' WHERE username = 'anna'")
    assert [one.check for one in findings(healthy)] == ["users.no-administrator"]
    healthy.settings = healthy.with_settings(pages=PageSettings(admin=False))
    assert findings(healthy) == []


@pytest.mark.parametrize(("skew", "severity"), [(2.4, None), (2.6, Severity.WARNING), (5.1, Severity.ERROR)])
def test_a_clock_that_differs_is_found(healthy: Setup, skew: float, severity: Severity | None):
    seen = survey.take(admin(healthy))
    assert seen.skew < 2
    assert [one.severity for one in check(replace(seen, skew=skew))] == ([] if severity is None else [severity])


def test_a_proxy_that_is_not_trusted_is_found_for_a_day_by_the_headers_that_it_sends(healthy: Setup):
    now = healthy.database.now()
    healthy.sql("INSERT INTO activity (at, name, count) VALUES (:at, :name, 3)", at=now - 600_000, name=UNBELIEVED)
    (found,) = findings(healthy)
    assert (found.check, found.severity) == ("node.unbelieved-proxy", Severity.WARNING)
    healthy.sql("UPDATE activity SET at = at - :ms", ms=DAY_MS)
    assert findings(healthy) == []
