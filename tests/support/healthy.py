"""A set-up without a finding of the doctor, and what the doctor finds in a set-up."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from authserver.administration.context import Administration
from authserver.administration.doctor import Finding, examine
from authserver.settings.values import MetricsSettings, PasswordSettings
from tests.support.stage import Stage

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"


def make_healthy(stage: Stage) -> Stage:
    stage.settings = stage.with_settings(
        passwords=PasswordSettings(), metrics=MetricsSettings(token=SecretStr("0123456789abcdef"))
    )
    stage.key_rotation().ensure()
    if stage.kind == "sqlite":
        file_of(stage).chmod(0o600)
    stage.an_app(client_id="job", kind="service", grants={"client_credentials"})
    stage.a_person(username="anna", password_hash=HASH, roles="administrator")
    return stage


def admin(stage: Stage) -> Administration:
    return Administration(stage.database, stage.settings, "cli:test")


def findings(stage: Stage) -> list[Finding]:
    return examine(admin(stage))


def file_of(stage: Stage) -> Path:
    return Path(str(stage.settings.database_url.database))
