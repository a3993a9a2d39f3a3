"""A grant, a client authentication method and an endpoint take one file and one line each, in a copy of the server.

The copy runs in a process of its own, which prints where it found them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import ROOT

GRANT = """
from authserver.oauth.grants.client_credentials import ClientCredentialsGrant

class ToyGrant(ClientCredentialsGrant):
    GRANT_TYPE = "toy"

GRANT = ToyGrant
"""
METHOD = """
from authserver.clients.authentication.presented import Presented, Proof
from authserver.refusals.reasons import Reason

NAME = "toy_word"
ABOUT = "Says a word."

def read(authorization, form):
    return Presented(NAME, form["client_id"], form["word"]) if {"client_id", "word"} <= form.keys() else None

def prove(client, presented):
    return Proof() if presented.credential == "please" else Reason.WRONG_SECRET
"""
ENDPOINT = """
from authserver.oauth.endpoints.base import Endpoint
from authserver.oauth.messages import Answer

ENDPOINT = Endpoint("toy", "/toy", ("GET",), lambda context, request: Answer(200, "toy", []), "toy_endpoint")
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The output of `tests.support.find_toys` for a copy of the server with the toys."""
    copy = tmp_path_factory.mktemp("copy")
    unneeded = shutil.ignore_patterns("__pycache__", "node_modules")
    for folder in ("authserver", "migrations", "config", "sdk/browser"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unneeded)
    (copy / "authserver/oauth/grants/toy.py").write_text(GRANT)
    _add(copy / "authserver/clients/grants.py", "_ALL: Final = (", '    Grant("toy", "toy", "For play.", is_own=True),')
    (copy / "authserver/clients/authentication/toy_word.py").write_text(METHOD)
    _name(copy / "authserver/clients/authentication/__init__.py", "none", "toy_word")
    (copy / "authserver/oauth/endpoints/toy.py").write_text(ENDPOINT)
    _name(copy / "authserver/oauth/endpoints/__init__.py", "token", "toy")
    _add(copy / "authserver/oauth/endpoints/__init__.py", "ENDPOINTS: tuple[Endpoint, ...] = (", "    toy.ENDPOINT,")
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.find_toys", str(tmp_path_factory.mktemp("setup"))],
        env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    assert told["server"] == str(copy / "authserver"), "the program ran the copy"
    return told


def _add(file: Path, after: str, line: str) -> None:
    text = file.read_text()
    assert text.count(f"{after}\n") == 1
    file.write_text(text.replace(f"{after}\n", f"{after}\n{line}\n"))


def _name(file: Path, neighbour: str, name: str) -> None:
    """Add a file's name beside its neighbour's, in the import and in the list of names."""
    lines = [
        line.replace(neighbour, f"{neighbour}, {name}") if line.endswith((neighbour, f"{neighbour})}}")) else line
        for line in file.read_text().split("\n")
    ]
    file.write_text("\n".join(lines))


def test_a_client_with_the_new_grant_and_method_gets_a_token(found: dict[str, Any]):
    assert found["token"] == 200
    assert found["token_with_a_wrong_word"] == "invalid_client"


def test_the_rules_know_that_the_new_grant_is_for_the_client_itself(found: dict[str, Any]):
    assert found["refused_without_a_secret"] == [
        "grants: toy needs a client with a secret (RFC 6749 section 4.4); a public client has none"
    ]
    assert not any("a service acts for itself" in warning for warning in found["warnings"])


def test_the_metadata_name_them(found: dict[str, Any]):
    metadata = found["metadata"]
    assert "toy" in metadata["grant_types_supported"]
    assert "toy_word" in metadata["token_endpoint_auth_methods_supported"]
    assert "toy_word" in metadata["revocation_endpoint_auth_methods_supported"]
    assert metadata["toy_endpoint"] == metadata["issuer"] + "/toy"
    assert found["toy_endpoint"] == "toy"


@pytest.mark.parametrize("face", ["admin_api", "command_line", "console"])
def test_each_face_of_administration_offers_them(found: dict[str, Any], face: str):
    assert found[face] == {"toy": True, "toy_word": True}
