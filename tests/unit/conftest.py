"""Fixtures of the files about settings."""

from pathlib import Path

import pytest

from tests.support.given_settings import ConfigFile


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps an authserver.toml in the current directory out of the tests."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def a_file(tmp_path: Path) -> ConfigFile:
    def write(text: str) -> Path:
        file = tmp_path / "given.toml"
        file.write_text(text)
        return file

    return write
