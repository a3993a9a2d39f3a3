"""Schemathesis against the admin API of a live server: thousands of requests, good and bad, by its OpenAPI document."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from authserver.apis.administration import SCOPES
from tests.support.server import ROOT, ForkedServer
from tests.support.setup import Setup

# A request that fits the schema may still break a rule that no schema can say (422), or come without If-Match (428).
_CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 412, 422, 428]
missing_required_header.expected-statuses = [400, 401, 403, 406, 415, 422, 428]
"""


def check_admin_api(
    setup: Setup, *, examples: int, seed: int, phases: str = "examples,coverage,fuzzing,stateful"
) -> int:
    """Send at most so many examples for each operation and phase, check every answer, and return how many there were."""
    program = setup.an_app(kind="service", grants={"client_credentials"}, scopes=set(SCOPES))
    other = setup.an_app(client_id="other-client")
    for _ in range(3):
        setup.a_person()
    configuration = setup.directory / "schemathesis.toml"
    configuration.write_text(_CONFIGURATION)
    # Changes of scopes wait for caches. With long-lived caches each removal of an API takes seconds.
    server = ForkedServer(setup, AUTHSERVER_CACHES__MAX_AGE="0.1").start()
    try:
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
            "ADMIN_API_URL": server.url,
            "ADMIN_API_PROGRAM": program.client_id,
            "ADMIN_API_SECRET": str(program.secret),
            "ADMIN_API_OTHER": other.client_id,
        }
        command = [
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
            "--config-file", str(configuration), "run", f"{server.url}/admin/api/openapi.json",
            "--seed", str(seed), "--max-examples", str(examples), "--phases", phases, "--checks", "all", "--continue-on-failure", "--no-color",
            "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "60",
        ]  # fmt: skip
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=setup.directory, check=False
        )
    finally:
        server.stop()
    assert result.returncode == 0, (
        f"{result.stdout[-20000:]}\n{result.stderr[-2000:]}\n{server.log.read_text()[-5000:]}"
    )
    # A run that locked itself out proves nothing.
    assert "Authentication failed" not in result.stdout, result.stdout
    cases = re.search(r"(\d+) generated", result.stdout)
    assert cases is not None
    return int(cases[1])
