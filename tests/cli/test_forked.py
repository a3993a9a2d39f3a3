"""The commands that the other tests fork (tests/support/forked.py) do what started ones do."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.forked import authserver
from tests.support.server import ROOT
from tests.support.shell import COMMAND


@pytest.mark.parametrize(
    "arguments", [("users", "add", "anna", "--password-stdin"), ("settings", "show"), ("no-command",)]
)
def test_a_forked_command_does_what_a_started_one_does(tmp_path: Path, arguments: tuple[str, ...]):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTHSERVER_")}
    environment = {**inherited, "AUTHSERVER_DATA_DIR": str(tmp_path / "data")}
    started = subprocess.run(
        [*COMMAND, *arguments], env=environment, input="word\n", capture_output=True, text=True, cwd=ROOT, check=False
    )
    forked = authserver(*arguments, environment=environment, given="word\n")
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.stdout + forked.stderr
