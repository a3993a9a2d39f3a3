"""The server serves the committed module for web pages to every page, under its version."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask

from authserver.web_apps.module import read_modules, register
from tests.support.oauth import OAuth

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk" / "browser"
VERSION = json.loads((SDK / "package.json").read_text())["version"]
ADDRESS = f"/sdk/authserver-browser-{VERSION}.js"
CONTENT = (SDK / "dist" / "authserver-browser.js").read_bytes()
INTEGRITY = "sha384-" + base64.b64encode(hashlib.sha384(CONTENT).digest()).decode()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """An application with nothing but the module, for an issuer with a path. It reads no database."""
    app = Flask("module", static_folder=None)
    register(app, "/tenant")
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="https://id.example.com") as client:
        yield client


def test_the_server_hands_out_the_committed_file_under_its_version_to_every_page(oauth: OAuth):
    answer = oauth.http.get(ADDRESS, headers={"Origin": "https://anyone.example"})
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_it_lies_below_the_issuers_path_and_who_has_it_is_not_sent_it_again(http: httpx.Client):
    answer = http.get(f"/tenant{ADDRESS}")
    assert answer.content == CONTENT
    again = http.get(f"/tenant{ADDRESS}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["access-control-allow-origin"] == "*"
    looked = http.head(f"/tenant{ADDRESS}")
    assert (looked.status_code, looked.content) == (200, b"")
    assert looked.headers["content-length"] == str(len(CONTENT))
    assert http.post(f"/tenant{ADDRESS}").status_code == 405


@pytest.mark.parametrize("name", ["authserver-browser.js", "authserver-browser-9.9.9.js", "package.json", "..%2Fx.js"])
def test_no_other_name_leads_to_a_file(http: httpx.Client, name: str):
    assert http.get(f"/tenant/sdk/{name}").status_code == 404


def test_no_kept_version_has_the_name_of_the_present_one():
    versions = [module.version for module in read_modules()]
    assert versions[0] == VERSION
    assert len(set(versions)) == len(versions)


def test_the_guide_names_the_address_and_the_digest_of_the_committed_file():
    text = (ROOT / "docs" / "browsers.md").read_text()
    assert set(re.findall(r"/sdk/authserver-browser-[\w.-]+\.js", text)) == {ADDRESS}
    assert set(re.findall(r"sha384-[\w+/=]+", text)) == {INTEGRITY}


def test_the_wheel_brings_the_module(tmp_path: Path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("authserver/_sdk_browser/dist/authserver-browser.js") == CONTENT
        assert json.loads(archive.read("authserver/_sdk_browser/package.json"))["version"] == VERSION
