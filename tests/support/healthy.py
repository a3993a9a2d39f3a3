"""A setup without a finding of the doctor, and what the doctor finds in a setup."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from authserver.administration.context import Administration
from authserver.administration.doctor import Finding, examine
from authserver.settings.values import MetricsSettings, PasswordSettings
from tests.support.setup import Setup

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"


def make_healthy(setup: Setup) -> Setup:
    setup.settings = setup.with_settings(
        passwords=PasswordSettings(min_length=15), metrics=MetricsSettings(token=SecretStr("0123456789abcdef"))
    )
    setup.key_rotation().ensure()
    if setup.kind == "sqlite":
        file_of(setup).chmod(0o600)
    setup.an_app(client_id="job", kind="service", grants={"client_credentials"})
    setup.a_person(username="anna", password_hash=HASH, roles="administrator")
    return setup


def admin(setup: Setup) -> Administration:
    return Administration(setup.database, setup.settings, "cli:test")


def findings(setup: Setup) -> list[Finding]:
    return examine(admin(setup))


def file_of(setup: Setup) -> Path:
    return Path(str(setup.settings.database_url.database))
