"""The machine and the versions: figures mean nothing without them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import subprocess
import time
from pathlib import Path

_PACKAGES = (
    "Flask", "Authlib", "joserfc", "cryptography", "SQLAlchemy", "Flask-SQLAlchemy", "psycopg", "uvicorn", "argon2-cffi",
)  # fmt: skip


def describe(postgres_binaries: Path | None) -> str:
    """Return a paragraph: time, processor, kernel, Python, packages and databases."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
            break
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}. {model}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}.\n"
        f"{packages}, SQLite {sqlite3.sqlite_version}, {_postgres(postgres_binaries)}."
    )


def load_average() -> str:
    """Return the load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _postgres(binaries: Path | None) -> str:
    if binaries is None:
        return "no PostgreSQL"
    shown = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return f"PostgreSQL {shown.split()[2]} (fsync on)"
