"""Each command imports what it needs: it is the only one in its process, unlike in the other tests (`support/forked.py`)."""

from __future__ import annotations

import subprocess
import sys

from authserver.cli.command import COMMANDS
from tests.support.server import ROOT

#: Imports each command in a process that is forked from one with the libraries, and prints those that cannot be imported.
_PROGRAM = """
import importlib, os, sys
import alembic.command, cryptography.x509, flask_sqlalchemy, joserfc.jwt, pydantic, rich.table
for name in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(f"authserver.cli.{name}")
        os._exit(0)
    if os.wait()[1] != 0:
        print(name)
"""


def test_each_command_can_be_imported_alone():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *COMMANDS, "nonsense"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "nonsense\n", done.stderr
