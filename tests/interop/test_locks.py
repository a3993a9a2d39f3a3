"""The locks of the programs beside the server have a hash for every package, and name no host."""

from __future__ import annotations

import json
import re

from tests.interop.programs import EXAMPLE, NODE


def test_the_example_apis_lock_hashes_everything_and_names_no_host() -> None:
    text = (EXAMPLE / "requirements.txt").read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=\w)", text)
    assert len(requirements) > 5
    assert [one for one in requirements if "--hash=sha256:" not in one] == []


def test_the_lock_for_node_hashes_everything_and_names_no_host() -> None:
    text = (NODE / "package-lock.json").read_text()
    assert "://" not in text
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
