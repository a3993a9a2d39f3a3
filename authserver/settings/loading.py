"""Reads settings from defaults < TOML file < environment < secret files, and reports all problems at once.

Knows no setting by name: it reads the model that it is given.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from authserver.settings.types import FromFile

PREFIX = "AUTHSERVER_"
CONFIG_VARIABLE = "AUTHSERVER_CONFIG"
DEFAULT_FILE = Path("authserver.toml")

# Kubernetes and Docker links give these to every container beside a service whose name is "authserver" or begins with
# "authserver-", such as the database of a Helm release. No setting has such a variable.
_OF_A_SERVICE = re.compile(
    r"AUTHSERVER_(?:\w+_)?(?:(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)=|"
    r"PORT=(?:tcp|udp|sctp)://)"
)

#: Compose files and charts pass on variables without a value.
_EMPTY = "empty, so it counts as not set"

Model = TypeVar("Model", bound=BaseModel)

Contradiction = tuple[tuple[str, ...], str]
"""The dotted names of the settings that do not go together, and what would be right."""


class SettingsError(Exception):
    """The settings are refused; `problems` has one line for each reason. No line shows a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ContradictionsError(ValueError):
    """Each setting is valid by itself, but they contradict each other."""

    def __init__(self, found: list[Contradiction]) -> None:
        super().__init__("; ".join(text for _, text in found))
        self.found = found


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """All settings by their dotted names, in the order of the model."""
    found: dict[str, FieldInfo] = {}
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found.update({f"{name}.{inner}": value for inner, value in fields_of(info.annotation).items()})
        else:
            found[name] = info
    return found


def variable_of(name: str) -> str:
    """The environment variable of a setting: `server.port` is AUTHSERVER_SERVER__PORT."""
    return PREFIX + name.replace(".", "__").upper()


def is_secret(info: FieldInfo) -> bool:
    return _mentions(info.annotation, SecretStr)


def _mentions(annotation: object, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


def _is_optional(info: FieldInfo) -> bool:
    return type(None) in get_args(info.annotation)


def may_be_file(info: FieldInfo) -> bool:
    """Whether the value may stand in a file that AUTHSERVER_..._FILE names."""
    return is_secret(info) or any(isinstance(mark, FromFile) for mark in info.metadata)


@dataclass
class Found:
    """What was read so far: the values and their sources by dotted name, what is wrong with them, and what was ignored."""

    values: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)

    def add(self, name: str, value: object, source: str) -> None:
        self.values[name], self.sources[name] = value, source

    def refuse(self, names: Iterable[str], reason: str) -> None:
        self.refused.update(names)
        self.problems.append(f"{' and '.join(self._place(name) for name in names)}: {reason}")

    def _place(self, name: str) -> str:
        source = self.sources.get(name)
        if source is None:
            return f"{name} (not set)"
        return source if source.startswith(PREFIX) else f"{source}: {name}"


def load(model: type[Model], config_file: Path | None, environ: Mapping[str, str]) -> Model:
    """Merge all sources into one validated model; see `settings.load_settings`."""
    found = Found()
    _read_toml(model, _config_file(config_file, environ), found)
    _read_environment(fields_of(model), environ, found)
    settings = _validate(model, found)
    if settings is None or found.problems:
        raise SettingsError(found.problems)
    return settings


def _config_file(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    if given is not None:
        return given
    if environ.get(CONFIG_VARIABLE):
        if not environ[CONFIG_VARIABLE].strip():
            raise SettingsError([f"{CONFIG_VARIABLE}: must be the path of a file; unset it to go without"])
        return Path(environ[CONFIG_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read_toml(model: type[BaseModel], file: Path | None, found: Found) -> None:
    if file is None:
        return
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError([f"{file}: cannot read the config file: {problem.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{file}: is not valid TOML: it is not UTF-8 text"]) from None
    except ValueError as problem:
        raise SettingsError([f"{file}: is not valid TOML: {problem}"]) from None
    known = fields_of(model)
    groups = {name.split(".")[0] for name in known if "." in name}
    for key, value in document.items():
        if key in groups and not isinstance(value, dict):
            found.problems.append(f"{file}: {key}: must be a table, written as [{key}]")
        elif key in groups:
            _read_table(value, f"{key}.", known, file, found)
        elif isinstance(value, dict) and key not in known:
            near = difflib.get_close_matches(key, groups, n=1)
            found.problems.append(f"{file}: [{key}]: unknown table{_suggest(f'[{near[0]}]' if near else None)}")
        else:
            _read_table({key: value}, "", known, file, found)


def _read_table(
    table: Mapping[str, Any], prefix: str, known: Mapping[str, FieldInfo], file: Path, found: Found
) -> None:
    for key, value in table.items():
        name = prefix + key
        if name in known:
            found.add(name, value, str(file))
        else:
            found.problems.append(f"{file}: {name}: unknown setting{_suggest(_nearest(name, known))}")


def _read_environment(known: Mapping[str, FieldInfo], environ: Mapping[str, str], found: Found) -> None:
    variables = {variable_of(name): name for name in known}
    files = {f"{variable_of(name)}_FILE": name for name, info in known.items() if may_be_file(info)}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in files:
            continue
        if variable == CONFIG_VARIABLE:
            found.ignored += [] if value else [f"{variable}: {_EMPTY}"]
            continue
        name = variables.get(variable)
        if name is not None and not value.strip() and _is_optional(known[name]):
            found.ignored.append(f"{variable}: {_EMPTY}")
        elif name is not None:
            found.add(name, value, variable)
        elif _OF_A_SERVICE.match(f"{variable}={value}"):
            found.ignored.append(f"{variable}: not a setting: Kubernetes or Docker describes a service with it")
        else:
            near = _nearest(variable, [*variables, *files, CONFIG_VARIABLE])
            found.problems.append(f"{variable}: unknown setting{_suggest(near)}")
    # Last, so that a secret file wins.
    for variable, name in files.items():
        if variable in environ and not environ[variable].strip():
            found.ignored.append(f"{variable}: {_EMPTY}")
        elif variable in environ:
            _read_secret_file(name, variable, environ[variable], found)


def _read_secret_file(name: str, variable: str, file: str, found: Found) -> None:
    # Do not show the name of the file: an operator may have put the secret itself into this variable.
    found.sources[name] = variable
    try:
        found.add(name, Path(file).read_text(encoding="utf-8").rstrip("\r\n"), variable)
    except OSError as problem:
        found.refuse([name], f"must name a file that can be read: {problem.strerror}")
    except ValueError:
        found.refuse([name], "must name a file of UTF-8 text")


def _nearest(wrong: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant: the right key in the wrong table, or a typo."""
    names = list(names)
    leaves = {re.split(r"\.|__", name.removeprefix(PREFIX))[-1]: name for name in names}
    leaf = re.split(r"\.|__", wrong.removeprefix(PREFIX))[-1]
    if leaf in leaves:
        return leaves[leaf]
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.75)
    close_leaf = difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)
    return close[0] if close else leaves[close_leaf[0]] if close_leaf else None


def _suggest(near: str | None) -> str:
    return f"; did you mean {near}?" if near else ""


def _validate(model: type[Model], found: Found) -> Model | None:
    """Validate what was found. When single values are refused, still look for contradictions among the others."""
    try:
        return model.model_validate(
            _nested(found.values), context={"sources": found.sources, "ignored": tuple(found.ignored)}
        )
    except ValidationError as refusal:
        again = _note_problems(refusal, found)
    return _validate(model, found) if again else None


def _note_problems(refusal: ValidationError, found: Found) -> bool:
    """Note each reason with its source. Returns whether refused values were dropped: then validate the rest again."""
    again = False
    for error in refusal.errors(include_url=False, include_input=False):
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, ContradictionsError):
            for names, reason in cause.found:
                # In the second round a refused value has its default, which may contradict another setting.
                if not found.refused.intersection(names):
                    found.refuse(names, reason)
            continue
        name = ".".join(str(part) for part in error["loc"][:2])
        name = name if name in found.values else str(error["loc"][0])
        if found.values.pop(name, None) is not None:
            again = True
            reason = re.sub(r"^\w+ should ", "must ", error["msg"].removeprefix("Value error, "))
            found.refuse([name], reason)
    return again


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *group, key = name.split(".")
        (nested.setdefault(group[0], {}) if group else nested)[key] = value
    return nested
