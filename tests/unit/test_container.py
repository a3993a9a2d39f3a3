"""The Dockerfile keeps its promises on paper. .ci/container runs its steps without a container engine."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, re.sub(r"\s+", " ", rest).strip()) for word, rest in lines]


def _all(word: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == word]


def test_the_image_is_built_in_two_stages_and_ships_only_the_environment() -> None:
    stages = _all("FROM")
    assert len(stages) == 2
    assert stages[0] == f"{stages[1]} AS build"
    final = _instructions()[[word for word, _ in _instructions()].index("FROM", 1) :]
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/authserver /opt/authserver"]


def test_it_runs_as_a_numeric_user_that_is_not_root() -> None:
    user = _all("USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert user.replace(":", " --group ") in _all("RUN")[-1]


def test_everything_written_goes_to_a_volume_and_keys_lie_apart_from_data() -> None:
    volumes = json.loads(_all("VOLUME")[0])
    settings = dict(re.findall(r"(AUTHSERVER_\w+)=(\S+)", " ".join(_all("ENV"))))
    assert {settings["AUTHSERVER_DATA_DIR"], settings["AUTHSERVER_KEY_DIR"], "/tmp"} == set(volumes)
    assert settings["AUTHSERVER_DATA_DIR"] != settings["AUTHSERVER_KEY_DIR"]


def test_the_health_check_asks_healthz_and_is_valid_python() -> None:
    options, _, command = _all("HEALTHCHECK")[0].partition("CMD ")
    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    assert "--timeout=3s" in options
    assert "'/healthz'" in code
    compile(code, "HEALTHCHECK", "exec")


def test_only_hashed_wheels_are_installed() -> None:
    installs = [step for run in _all("RUN") for step in run.split("&&") if "pip install" in step]
    assert len(installs) == 3
    for step in installs:
        assert "--require-hashes" in step or "--no-index --no-deps" in step


def test_no_database_and_no_key_reach_the_engine() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    needed = {"authserver", "config", "migrations", "requirements", "pyproject.toml", "README.md", "LICENSE"}
    assert allowed == needed | {"sdk/browser/dist", "sdk/browser/package.json"}
