"""The module for web pages: the committed build matches its source, is small, and passes its own tests."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.missing_parts import missing

SDK = Path(__file__).parents[2] / "sdk" / "browser"
BUILT = SDK / "dist" / "authserver-browser.js"
LARGEST = 5_000


def _node(*command: str, packages: bool = False) -> subprocess.CompletedProcess[str]:
    if shutil.which("node") is None:
        missing("node", "apt-get install nodejs npm")
    if packages and not (SDK / "node_modules" / ".package-lock.json").exists():
        missing("node", f"npm ci --prefix {SDK.relative_to(SDK.parents[1])}")
    return subprocess.run(command, cwd=SDK, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.node
def test_the_committed_file_is_what_its_source_builds(tmp_path: Path):
    build = json.loads((SDK / "package.json").read_text())["scripts"]["build"].split()
    fresh = tmp_path / "built.js"
    options = [part for part in build[1:] if not part.startswith("--outfile=")]
    done = _node("node_modules/.bin/esbuild", *options, f"--outfile={fresh}", packages=True)
    assert done.returncode == 0, done.stderr
    assert fresh.read_bytes() == BUILT.read_bytes(), "sdk/browser: npm run build, and commit what changed"


@pytest.mark.node
def test_the_declared_types_are_those_of_the_source():
    done = _node("node", "node_modules/typescript/bin/tsc", "--project", ".", packages=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.node
def test_its_state_machine_passes_its_own_tests():
    done = _node("node", "--test", *map(str, sorted(SDK.glob("test/*.test.js"))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"pass [1-9]\d", done.stdout), done.stdout


def test_the_committed_file_weighs_less_than_five_kilobytes():
    assert len(gzip.compress(BUILT.read_bytes(), 9)) < LARGEST


def test_the_committed_file_depends_on_nothing():
    assert json.loads((SDK / "package.json").read_text()).get("dependencies") is None
    assert re.findall(r"\bimport\b|\brequire\(|\beval\(|new Function", BUILT.read_text()) == []
