"""The documented file of settings has every setting with its default."""

import re
import tomllib
from pathlib import Path

import pytest

from authserver.settings.loading import fields_of, may_be_file, variable_of
from authserver.settings.model import Settings
from tests.support.given_settings import ConfigFile, loaded, problem

pytestmark = pytest.mark.usefixtures("empty_directory")

DOCUMENTED = Path(__file__).parents[2] / "config" / "authserver.toml"


def documented() -> dict[str, tuple[str, object]]:
    """Comment and value of every setting in config/authserver.toml, by its dotted name."""
    found: dict[str, tuple[str, object]] = {}
    group, comment = "", ""
    for line in DOCUMENTED.read_text().splitlines():
        if table := re.fullmatch(r"\[(\w+)\]", line):
            group = f"{table[1]}."
        elif setting := re.fullmatch(r"#(\w+) = .*", line):
            found[group + setting[1]] = comment.strip(), tomllib.loads(line[1:])[setting[1]]
        comment = f"{comment} {line[2:]}" if line.startswith("# ") else ""
    return found


def test_the_documented_file_holds_as_it_is_and_changes_nothing():
    assert loaded(DOCUMENTED) == Settings()


def test_the_documented_file_has_exactly_the_settings_that_exist_in_their_order():
    assert list(documented()) == list(fields_of(Settings))


@pytest.mark.parametrize("name", fields_of(Settings))
def test_a_setting_is_documented_with_its_docstring_default_limits_and_variable(name: str):
    comment, value = documented()[name]
    info = fields_of(Settings)[name]
    variables = variable_of(name) + (f" or {variable_of(name)}_FILE" if may_be_file(info) else "")
    assert info.description is not None
    assert comment.startswith(info.description)
    assert comment.endswith(f"Environment: {variables}")
    default = (
        "not set" if info.default is None else re.escape(str(value).lower() if isinstance(value, bool) else str(value))
    )
    assert re.search(rf'Default: "?{default}"?[ .]', comment)
    for limit in ("ge", "le"):
        for bound in (getattr(mark, limit) for mark in info.metadata if hasattr(mark, limit)):
            assert re.search(rf"at {'least' if limit == 'ge' else 'most'} {bound}\b", comment, re.IGNORECASE)


def test_the_defaults_in_the_documented_file_are_the_real_ones(a_file: ConfigFile):
    with_default = {name for name, info in fields_of(Settings).items() if info.default is not None}
    written = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, (_, value) in documented().items()
        if name in with_default
    ]
    settings = loaded(a_file("\n".join(written)))
    assert set(settings.sources) == with_default
    assert settings.model_dump() == Settings().model_dump()


def test_the_secrets_in_the_documented_file_are_no_secrets(a_file: ConfigFile):
    for name in ("master_key", "old_master_key", "metrics.token"):
        problem(a_file(f"{name} = {documented()[name][1]!r}"))
