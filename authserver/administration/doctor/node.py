"""Checks of this node: its clock, the files of the data and the master key, and whether that key opens the others."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from authserver.administration.doctor.finding import About, Finding, Findings, Severity, set_to
from authserver.administration.doctor.survey import Survey
from authserver.database.connections import LIMITS
from authserver.database.times import iso
from authserver.keys.material import purpose
from authserver.keys.setup import open_vault
from authserver.keys.vault import MasterKeyError

#: What a reader replaces by the networks of the own proxies.
_PROXIES = "127.0.0.1/32,::1/128"


def clock_skew(seen: Survey) -> Findings:
    most = seen.settings.database.max_clock_skew
    if seen.skew > most / 2:
        reason = (
            f"this node's clock and the database's differ by {seen.skew:.1f} s; beyond {most} s the node is not ready, "
            "and APIs with a right clock take its tokens for expired or not valid yet"
        )
        severity = Severity.ERROR if seen.skew > most else Severity.WARNING
        yield Finding("node.clock-skew", severity, About.NODE, "clock", reason, "timedatectl set-ntp true")


def master_key(seen: Survey) -> Findings:
    """Opens every key, as a start of the server would."""
    sealed = [(row, row.sealed) for row in seen.keys if row.sealed is not None]
    if not sealed:
        return
    try:
        vault = open_vault(seen.settings, create=False)
        for row, secret in sealed:
            vault.open(secret, purpose=purpose(row.kind, row.kid))
    except MasterKeyError as problem:
        file = seen.settings.master_key_file
        readable = seen.settings.master_key is None and file.exists() and _is_open_to_others(file)
        command = f"chmod 600 {shlex.quote(str(file))}" if readable else None
        yield Finding("node.master-key", Severity.ERROR, About.NODE, "master key", str(problem), command)
        return
    if old := [row for row, secret in sealed if not vault.is_current(secret)]:
        reason = f"{len(old)} keys are still sealed under the old master key, which has to be kept until they are not"
        command = "authserver keys rewrap"
        yield Finding("node.old-master-key", Severity.WARNING, About.NODE, "master key", reason, command)


def database_file(seen: Survey) -> Findings:
    url = seen.settings.database_url
    if url.get_backend_name() == "sqlite" and url.database and _is_open_to_others(Path(url.database)):
        reason = "others on this machine can read the file: names, addresses, and hashes to guess passwords with"
        command = f"chmod 600 {shlex.quote(url.database)}"
        yield Finding("node.database-file", Severity.WARNING, About.NODE, "database", reason, command)


def recovery(seen: Survey) -> Findings:
    last = seen.recovery
    if last is not None and last.is_on:
        reason = (
            f"a recovery is on until {iso(last.until)}, and has adopted {last.adopted.tokens} tokens: one that was "
            "stolen and superseded after the backup would be adopted too, until its app comes"
        )
        yield Finding("node.recovery", Severity.WARNING, About.NODE, "database", reason, "authserver recover stop")
    elif seen.went_back:
        reason = (
            "refresh tokens are newer than their sessions: the database went back in time, and apps are told to wait; "
            "bring its last writes back if you can, else declare a recovery"
        )
        yield Finding("node.went-back", Severity.ERROR, About.NODE, "database", reason, "authserver recover start")


def database_limits(seen: Survey) -> Findings:
    if seen.lost_limits:
        names = ", ".join(seen.lost_limits)
        reason = f"this node's connections have no {names}: a pooler leaves them out, so they belong on the role"
        role, seconds = seen.settings.database_url.username or "ROLE", seen.settings.database.timeout
        sets = [f"ALTER ROLE \"{role}\" SET {name} = '{LIMITS[name] * seconds}s'" for name in seen.lost_limits]
        command = shlex.join(["psql", *(word for one in sets for word in ("-c", one))])
        yield Finding("node.database-limits", Severity.WARNING, About.NODE, "database", reason, command)


def unbelieved_proxy(seen: Survey) -> Findings:
    """Whatever `trusted_proxies` says: another proxy may have been put before the server since."""
    if seen.unbelieved:
        reason = (
            "requests within the last day had a forwarded header, and came from a private address that is no trusted "
            "proxy: if it is a proxy, all its users count as one, and one of them can delay all others"
        )
        yield Finding(
            "node.unbelieved-proxy",
            Severity.WARNING,
            About.NODE,
            "trusted_proxies",
            reason,
            set_to(trusted_proxies=_PROXIES),
        )


def _is_open_to_others(file: Path) -> bool:
    return bool(stat.S_IMODE(file.stat().st_mode) & 0o077)


CHECKS = (clock_skew, master_key, database_file, database_limits, recovery, unbelieved_proxy)
