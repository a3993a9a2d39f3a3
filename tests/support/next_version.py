"""A later version of authserver: a copy of this checkout with one more migration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

from authserver.database import schema
from authserver.settings.model import Settings
from tests.support.server import ROOT

REVISION = "9999"


def make_next_version(root: Path, migration: str) -> None:
    """Make it in this folder. `migration` is the body of `upgrade`; it may use `op`, `sa` and `schema`."""
    for folder in ("authserver", "migrations"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "migrations" / "versions" / f"{REVISION}_next.py").write_text(
        f"""import sqlalchemy as sa
from alembic import op

from authserver.database import schema

revision, down_revision, branch_labels, depends_on = "{REVISION}", "{schema.newest()}", None, None


def upgrade() -> None:
{indent(migration, "    ")}
"""
    )


def run(root: Path, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the version in this folder."""
    assert settings.database.url is not None
    environment = {
        "PATH": "/usr/bin:/bin",
        "AUTHSERVER_DATABASE__URL": settings.database.url.get_secret_value(),
        **({} if settings.master_key is None else {"AUTHSERVER_MASTER_KEY": settings.master_key.get_secret_value()}),
    }
    command = [sys.executable, "-m", "authserver", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
