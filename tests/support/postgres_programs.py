"""Finds PostgreSQL's programs and runs them under an account that PostgreSQL accepts.

Run as a script, this file is the keeper that cleans up one cluster. So it needs nothing but the standard library.
"""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OLDEST = 15


class Unavailable(Exception):
    """PostgreSQL is missing or cannot be started; the text says why."""


def find_all() -> list[Path]:
    """Return the folders with PostgreSQL's server programs, newest version first."""
    folders = {*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/opt/homebrew/opt").glob("postgresql@*/bin")}
    folders |= {Path(folder) / "pgserver" / "pginstall" / "bin" for folder in sys.path}
    if shutil.which("pg_config"):
        shown = subprocess.run(["pg_config", "--bindir"], check=False, capture_output=True, text=True)
        folders.add(Path(shown.stdout.strip()))
    usable = [
        folder for folder in folders if all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres"))
    ]
    return sorted(usable, key=_version, reverse=True)


def _version(folder: Path) -> int:
    shown = subprocess.run([folder / "postgres", "--version"], check=False, capture_output=True, text=True).stdout
    number = re.search(r"\d+", shown)
    return int(number[0]) if number else 0


def newest() -> Path:
    """Return the folder with the newest programs. Raises Unavailable if they are missing or too old."""
    folders = find_all()
    if not folders:
        message = "no PostgreSQL server was found"
        raise Unavailable(message)
    if (version := _version(folders[0])) < OLDEST:
        message = f"only PostgreSQL {version} was found"
        raise Unavailable(message)
    return folders[0]


def account_to_run_under() -> str | None:
    """Return the account to run PostgreSQL under, because it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    message = "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it under"
    raise Unavailable(message)


def run(command: list[str], account: str | None, **environment: str) -> None:
    """Run a program as `account` with these variables more. Raises Unavailable with its output if it fails."""
    # Not into a pipe: the server that pg_ctl starts would hold the pipe open as long as it runs.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "LC_ALL": "C", **environment},
            **_as(account),
        )
        output.seek(0)
        if done.returncode:
            message = f"{Path(command[0]).name} failed: {output.read().decode(errors='replace').strip()}"
            raise Unavailable(message)


def mount(directory: Path, size: str) -> None:
    """Lay a file system of this size, in memory, over a directory. Raises `Unavailable`."""
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], None)


def can_mount() -> bool:
    """Whether this account may mount a file system. Root in a container often may not."""
    directory = Path(tempfile.mkdtemp(prefix="authserver-mount-"))
    try:
        mount(directory, "1m")
    except Unavailable:
        return False
    else:
        subprocess.run(["umount", directory], check=True)
        return True
    finally:
        directory.rmdir()


def _as(account: str | None) -> dict[str, Any]:
    if not account:
        return {}
    return {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}


def _keep(directory: Path, binaries: Path, account: str) -> None:
    """Wait until the test process is gone, then stop its cluster at once and delete the directory."""
    sys.stdin.read()
    stop = [str(binaries / "pg_ctl"), "--pgdata", str(directory / "data"), "stop", "--wait", "--mode", "immediate"]
    with contextlib.suppress(Unavailable):
        run(stop, account or None)
    if directory.is_mount():
        subprocess.run(["umount", "--lazy", directory], check=False)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
