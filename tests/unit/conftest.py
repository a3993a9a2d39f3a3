"""Fixtures of the files about settings."""

from pathlib import Path

import pytest

from tests.support.given_settings import ConfigFile


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authserver.toml that lies where the tests are started must not count."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def a_file(tmp_path: Path) -> ConfigFile:
    def write(text: str) -> Path:
        file = tmp_path / "given.toml"
        file.write_text(text)
        return file

    return write
