"""What an operator is told about settings that hold: where each came from, and what deserves a second thought."""

from collections.abc import Iterator

from authserver.settings import Settings
from authserver.settings_loading import fields_of, is_secret
from authserver.settings_types import is_loopback

MASK = "********"
NOT_SET = "not set"


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value and source of every setting, in the order of the model; secrets are masked."""
    return [
        (name, _shown(_value(settings, name), secret=is_secret(info)), _source(settings, name))
        for name, info in fields_of(Settings).items()
    ]


def _value(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _shown(value: object, *, secret: bool) -> str:
    if value is None:
        return NOT_SET
    if secret:
        return MASK
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _source(settings: Settings, name: str) -> str:
    *group, key = name.split(".")
    owner = getattr(settings, group[0]) if group else settings
    return settings.sources.get(name, "code" if key in owner.model_fields_set else "default")


def warnings(settings: Settings) -> list[str]:
    """What holds, and yet is weaker or costlier than an operator may think."""
    return list(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    production = settings.environment == "production"
    if production and settings.database_url.get_backend_name() == "sqlite":
        yield "database.url: SQLite serves one host only, and no second node can take over; use PostgreSQL beyond that"
    if not settings.issuer.startswith("https://") and not is_loopback(settings.issuer):
        yield "issuer: passwords and tokens travel readable over http; use https off this machine"
    if production and not settings.trusted_proxies:
        yield (
            "trusted_proxies: none, so forwarded headers are ignored; "
            "behind a proxy every request seems to come from its address"
        )
    if settings.master_key is None and settings.key_dir.resolve().is_relative_to(settings.data_dir.resolve()):
        yield "key_dir: lies within data_dir, so a copy of the data holds the key that opens it; keep them apart"
    if settings.old_master_key is not None:
        yield "old_master_key: still opens keys; unset it once all keys are re-wrapped"
    if settings.tokens.retry_window == 0:
        yield "tokens.retry_window: 0, so an app that loses the answer to a refresh is signed out"
    if settings.log.level == "DEBUG":
        yield "log.level: DEBUG writes much, and slows every request"
    if settings.metrics.token is None:
        yield "metrics.token: not set, so /metrics answers 404"
