"""Runs the command as scripts do: in a process of its own, on the database of a setup."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.support.forked import authserver
from tests.support.server import LiveServer
from tests.support.setup import Setup

COMMAND = [sys.executable, "-m", "authserver"]


class Shell:
    """Runs `authserver` commands on the database of a setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.environment = {**LiveServer(setup).environment(), "AUTHSERVER_CACHES__MAX_AGE": "0.1"}

    def run(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return authserver(*arguments, environment={**self.environment, **environment}, given=given)

    def json(self, *arguments: str, given: str = "") -> Any:
        """The output of a command with --json, which has to succeed."""
        done = self.run(*arguments, "--json", given=given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str, given: str = "", **environment: str) -> str:
        """The errors of a command, which has to fail and print nothing else."""
        done = self.run(*arguments, given=given, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr
        return done.stderr
