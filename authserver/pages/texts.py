"""Turns times, spans and browsers into words, for templates. Filters: moment, ago, span, browser, counted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))

# The order matters: a browser also names the browsers whose engine it shares.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdgA?/|\bEdgiOS/")),
    ("Opera", re.compile(r"\bOPR/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\bFirefox/|\bFxiOS/")),
    ("Chrome", re.compile(r"\bChrome/|\bCriOS/|\bChromium/")),
    ("Safari", re.compile(r"\bSafari/")),
)
_SYSTEMS = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("macOS", re.compile(r"\bMac OS X\b|\bMacintosh\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Linux", re.compile(r"\bLinux\b")),
)


def moment(milliseconds: int | None) -> Markup:
    """A time in UTC, to the minute, with its distance from now: "21 Nov 2026, 14:49 UTC (5 minutes ago)"."""
    if milliseconds is None:
        return Markup("never")
    then = datetime.fromtimestamp(milliseconds / 1000, UTC)
    shown = f"{then.day} {then:%b %Y, %H:%M} UTC"
    text = Markup('<time datetime="{}">{}</time> <small class="ago">({})</small>')
    return text.format(then.isoformat(timespec="seconds"), shown, _distance(milliseconds))


def ago(milliseconds: int | None) -> Markup:
    """A time as its distance from now, for narrow places. The exact time is in the attribute `datetime`."""
    if milliseconds is None:
        return Markup("never")
    then = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(then.isoformat(timespec="seconds"), _distance(milliseconds))


def span(seconds: float | None) -> str:
    """A duration by its largest unit: "15 minutes"."""
    if seconds is None:
        return "no limit"
    for unit, size in _UNITS:
        if seconds >= size:
            return counted(int(seconds // size), unit)
    return "0 seconds"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 session, 2 sessions."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence(text: str) -> str:
    """A text with a capital letter."""
    return text[:1].upper() + text[1:]


def browser(user_agent: str | None) -> str:
    """The name of a browser: "Firefox on Windows". For people only: a browser can send any name."""
    if not user_agent:
        return "Unknown device"
    name = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if name and system:
        return f"{name} on {system}"
    return name or system or user_agent[:40]


def _first(patterns: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str | None:
    return next((name for name, pattern in patterns if pattern.search(text)), None)


def _distance(milliseconds: int) -> str:
    seconds = time.time() - milliseconds / 1000
    if abs(seconds) < 60:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "moment": moment,
    "ago": ago,
    "span": span,
    "counted": counted,
    "browser": browser,
}
