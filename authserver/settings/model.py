"""The settings of one server: values that do not contradict each other, and where each was found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import PrivateAttr, ValidationInfo, model_validator

from authserver.settings.loading import ContradictionsError, load
from authserver.settings.rules import RULES
from authserver.settings.values import Values


class Settings(Values):
    """Everything that an operator can set. Refuses settings that contradict each other, and reports all of them."""

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _ignored: Sequence[str] = PrivateAttr(default=())

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting that is not a default was found, by its dotted name."""
        return self._sources

    @property
    def ignored(self) -> Sequence[str]:
        """The variables that look like settings and were ignored, each with the reason."""
        return self._ignored

    @model_validator(mode="after")
    def _refuse_contradictions(self, info: ValidationInfo) -> Self:
        self._sources = (info.context or {}).get("sources", {})
        self._ignored = (info.context or {}).get("ignored", ())
        found = [problem for rule in RULES for problem in rule(self)]
        if found:
            raise ContradictionsError(found)
        return self


def load_settings(config_file: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings from all their sources.

    Raises:
        SettingsError: has a line for each problem, with its source and what would be right, but not the value.
    """
    return load(Settings, config_file, environ)
