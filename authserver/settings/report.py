"""Describes valid settings to an operator: the value of each, and where it came from."""

from operator import attrgetter

from authserver.settings.loading import fields_of, is_secret
from authserver.settings.model import Settings

MASK = "********"
NOT_SET = "not set"


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value and source of every setting, in the order of the model; secrets are masked."""
    return [
        (name, _shown(attrgetter(name)(settings), secret=is_secret(info)), _source(settings, name))
        for name, info in fields_of(Settings).items()
    ]


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
