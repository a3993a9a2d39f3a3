"""Settings from a file and variables that a test gives, and what is wrong with them."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from authserver.settings.loading import SettingsError
from authserver.settings.model import Settings, load_settings

A_KEY = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "AUTHSERVER_ENVIRONMENT": "production",
    "AUTHSERVER_ISSUER": "https://auth.example.com",
    "AUTHSERVER_MASTER_KEY": A_KEY,
    "AUTHSERVER_DATABASE__URL": "postgresql://authserver@db/authserver",
}

ConfigFile = Callable[[str], Path]


def loaded(file: Path | None = None, **environ: str) -> Settings:
    return load_settings(file, environ)


def problems(file: Path | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load_settings(file, environ)
    assert str(refusal.value) == "\n".join(refusal.value.problems)
    return refusal.value.problems


def problem(file: Path | None = None, **environ: str) -> str:
    found = problems(file, **environ)
    assert len(found) == 1, found
    return found[0]
