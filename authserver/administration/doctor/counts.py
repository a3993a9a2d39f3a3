"""Checks of the counts of failed attempts: of those at their limit, and of their store if that is a Redis or Valkey."""

from __future__ import annotations

from authserver.administration.doctor.finding import About, Finding, Findings, Severity
from authserver.administration.doctor.survey import Survey

#: The script gives keys an absolute time of expiry, which older versions of Redis cannot.
_OLDEST = (6, 2)
#: Policies that forget no key, or first the one that is nearest to its end: a flood then forgets itself.
_GOOD_POLICIES = (None, "noeviction", "volatile-ttl")
_ALONE = "each worker counts for itself in its memory, so an attacker has the free attempts of all workers"


def away(seen: Survey) -> Findings:
    failure = seen.counts and seen.counts.failure
    if failure:
        yield _finding("away", Severity.ERROR, f"{failure.said} ({failure.reason}); meanwhile {_ALONE}")


def version(seen: Survey) -> Findings:
    report = seen.counts
    if report and report.understands and report.understands < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        reason = f"version {report.version} is older than {oldest}, and cannot count; meanwhile {_ALONE}"
        yield _finding("version", Severity.ERROR, reason)


def eviction(seen: Survey) -> Findings:
    if seen.counts and seen.counts.evicts not in _GOOD_POLICIES:
        reason = (
            f"when its memory is full it forgets counts ({seen.counts.evicts}), also those of an account that is being "
            "guessed; with noeviction it refuses new ones instead, and workers count for themselves"
        )
        yield _finding("eviction", Severity.WARNING, reason, "redis-cli -u URL config set maxmemory-policy noeviction")


def persistence(seen: Survey) -> Findings:
    report = seen.counts
    if report and report.has_log is False:
        if report.has_snapshots is False:
            severity, loss = Severity.WARNING, "it writes nothing to a disk, so a restart forgets all counts"
        else:
            severity, loss = (
                Severity.NOTE,
                "it keeps no log (appendonly), so a crash forgets those since its last snapshot",
            )
        if row := seen.settings.throttling.strangers_in_a_row:
            loss += f", and the failures in a row: strangers then have {row} more attempts at each account"
        command = "redis-cli -u URL config set appendonly yes && redis-cli -u URL config rewrite"
        yield _finding("persistence", severity, loss, command)


def strangers_in_a_row(seen: Survey) -> Findings:
    """A note: people outside can bring any name to the limit, and could otherwise let each run of the doctor fail."""
    if seen.at_limit is None or not seen.at_limit.number:
        return
    limit, longest = seen.settings.throttling.strangers_in_a_row, seen.settings.throttling.longest_delay
    names = "1 name" if seen.at_limit.number == 1 else f"{seen.at_limit.number:,} names"
    reason = (
        f"strangers have failed there at least {limit} times in a row: each new device or place waits {longest} s after "
        "the last attempt, unless it brings a sign-in code. An owner without a known device or place can make no code, and "
        "waits too; authserver users password-link USER helps. The counts hold no names: throttling show --user USER says "
        "whether a user's name is one of them, and lift empties its count"
    )
    command = "authserver throttling lift --user USER"
    subject = f"about {names}" if seen.at_limit.is_estimate else names
    yield Finding("counts.strangers-in-a-row", Severity.NOTE, About.USERS, subject, reason, command)


def _finding(check: str, severity: Severity, reason: str, command: str | None = None) -> Finding:
    return Finding(f"counts.{check}", severity, About.NODE, "throttling.store", reason, command)


CHECKS = (away, version, eviction, persistence, strangers_in_a_row)
