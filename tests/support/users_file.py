"""Files of many users whose passwords are known, and what a command holds in memory while it reads them."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.server import ROOT
from tests.support.shell import COMMAND, Shell

# Linux also counts the memory that a process held before its exec. A child of this process would start with its size.
_MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


class Measured(NamedTuple):
    """Status and output of a command, and the most memory that it held, in MiB."""

    status: int
    output: str
    memory: float


def password_of(number: int) -> str:
    return f"the old password of {number}"


def hash_of(number: int) -> str:
    """As Django writes it, with the cost that a hundred thousand of them can afford in a test."""
    salt = f"salt{number}"
    made = hashlib.scrypt(password_of(number).encode(), salt=salt.encode(), n=2, r=1, p=1)
    return f"scrypt$2${salt}$1$1${base64.b64encode(made).decode()}"


def write_users(file: Path, count: int, *, bad: tuple[int, ...] = ()) -> None:
    """A CSV file of so many users. The users whose numbers are in `bad` cannot be imported."""
    with file.open("w") as out:
        out.write("username,email,roles,password_hash\n")
        for number in range(count):
            name = f"b@d {number}" if number in bad else f"user {number}"
            out.write(f"{name},user.{number}@example.com,{'editor' if number % 7 == 0 else ''},{hash_of(number)}\n")


def measured(shell: Shell, *arguments: str) -> Measured:
    """Run a command to its end."""
    process = subprocess.run(
        [sys.executable, "-c", _MEASURE, *COMMAND, *arguments],
        env=shell.environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    output, _, memory = process.stdout.rstrip("\n").rpartition("\n")
    return Measured(process.returncode, output, int(memory) / 1024)
