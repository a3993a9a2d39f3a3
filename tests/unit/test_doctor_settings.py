"""The doctor on settings: each check warns about its fault, and the line that it prints mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from authserver.administration.doctor.finding import Finding, Severity, authserver, set_to
from authserver.administration.doctor.settings import examine
from authserver.settings.model import Settings, load_settings
from tests.support.commands import parse

A_KEY = "q0sTgJ4rC1nYxW7uE2mZb9kVdP6hFaLo8iRcS5tGwXk="
TOKEN = {"AUTHSERVER_METRICS__TOKEN": "0123456789abcdef"}
LENGTH = {"AUTHSERVER_PASSWORDS__MIN_LENGTH": "15"}
HEALTHY = {**TOKEN, **LENGTH}
PRODUCTION = {
    **HEALTHY,
    "AUTHSERVER_ENVIRONMENT": "production",
    "AUTHSERVER_ISSUER": "https://auth.example.com",
    "AUTHSERVER_MASTER_KEY": A_KEY,
    "AUTHSERVER_DATABASE__URL": "postgresql://localhost/authserver",
    "AUTHSERVER_TRUSTED_PROXIES": "10.0.0.0/8",
}


def checks(**environ: str) -> dict[str, Finding]:
    return {one.check.removeprefix("settings."): one for one in examine(load_settings(None, environ))}


def after(command: str, environ: dict[str, str]) -> dict[str, str]:
    """The environment after a line of shell ran in it."""
    done = subprocess.run(
        ["sh", "-ec", f"{command}; env -0"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.split("=", 1) for line in done.stdout.split("\0") if line.startswith("AUTHSERVER_"))
    return dict(pairs)


def test_production_with_everything_set_is_healthy():
    assert checks(**PRODUCTION) == {}


def test_a_plain_development_server_is_told_of_metrics_and_the_length_of_passwords_only():
    found = [(one.check, one.severity) for one in examine(Settings())]
    assert found == [("settings.min-length", Severity.NOTE), ("settings.metrics", Severity.NOTE)]


SICK = [
    ("http-issuer", {**HEALTHY, "AUTHSERVER_ISSUER": "http://auth.example.com/oauth"}, Severity.ERROR),
    ("development", {**PRODUCTION, "AUTHSERVER_ENVIRONMENT": "development"}, Severity.WARNING),
    ("trusted-proxies", {**PRODUCTION, "AUTHSERVER_TRUSTED_PROXIES": "10.0.0.0/8,::/0"}, Severity.ERROR),
    ("trusted-proxies", {**PRODUCTION, "AUTHSERVER_TRUSTED_PROXIES": "0.0.0.0/0"}, Severity.ERROR),
    ("no-trusted-proxies", {**PRODUCTION, "AUTHSERVER_TRUSTED_PROXIES": ""}, Severity.NOTE),
    ("sqlite", {**PRODUCTION, "AUTHSERVER_DATABASE__URL": "sqlite:////srv/authserver.db"}, Severity.NOTE),
    ("old-master-key", {**PRODUCTION, "AUTHSERVER_OLD_MASTER_KEY": A_KEY}, Severity.NOTE),
    ("argon2", {**HEALTHY, "AUTHSERVER_PASSWORDS__ARGON2_MEMORY_KIB": "19455"}, Severity.WARNING),
    ("argon2", {**HEALTHY, "AUTHSERVER_PASSWORDS__ARGON2_TIME_COST": "1"}, Severity.WARNING),
    ("min-length", {**PRODUCTION, "AUTHSERVER_PASSWORDS__MIN_LENGTH": "14"}, Severity.NOTE),
    ("min-length", {name: value for name, value in PRODUCTION.items() if name not in LENGTH}, Severity.NOTE),
    ("refuse-common", {**PRODUCTION, "AUTHSERVER_PASSWORDS__REFUSE_COMMON": "false"}, Severity.WARNING),
    ("refuse-names", {**PRODUCTION, "AUTHSERVER_PASSWORDS__REFUSE_NAMES": "false"}, Severity.WARNING),
    ("access-token-lifetime", {**PRODUCTION, "AUTHSERVER_TOKENS__ACCESS_TOKEN_LIFETIME": "61m"}, Severity.WARNING),
    ("refresh-lifetime", {**PRODUCTION, "AUTHSERVER_TOKENS__REFRESH_ABSOLUTE_LIFETIME": "91d"}, Severity.WARNING),
    (
        "refresh-lifetime",
        {
            **PRODUCTION,
            "AUTHSERVER_TOKENS__REFRESH_ABSOLUTE_LIFETIME": "91d",
            "AUTHSERVER_TOKENS__REFRESH_IDLE_LIFETIME": "60d",
        },
        Severity.WARNING,
    ),
    ("retry-window", {**PRODUCTION, "AUTHSERVER_TOKENS__RETRY_WINDOW": "61"}, Severity.WARNING),
    ("no-retry-window", {**PRODUCTION, "AUTHSERVER_TOKENS__RETRY_WINDOW": "0"}, Severity.NOTE),
    ("short-retry-window", {**PRODUCTION, "AUTHSERVER_TOKENS__RETRY_WINDOW": "9"}, Severity.WARNING),
    ("short-retry-window", {**PRODUCTION, "AUTHSERVER_DATABASE__TIMEOUT": "20"}, Severity.WARNING),
    ("short-retry-window", {**PRODUCTION, "AUTHSERVER_DATABASE__TIMEOUT": "40"}, Severity.WARNING),
    ("status-ttl", {**PRODUCTION, "AUTHSERVER_STATUS__TTL": "61"}, Severity.WARNING),
    ("idle-timeout", {**PRODUCTION, "AUTHSERVER_PAGES__IDLE_TIMEOUT": "61m"}, Severity.NOTE),
    ("link-lifetime", {**PRODUCTION, "AUTHSERVER_PAGES__LINK_LIFETIME": "8d"}, Severity.NOTE),
    ("log-level", {**PRODUCTION, "AUTHSERVER_LOG__LEVEL": "debug"}, Severity.NOTE),
    ("metrics", {name: value for name, value in PRODUCTION.items() if name not in TOKEN}, Severity.NOTE),
]


@pytest.mark.parametrize(
    ("name", "environ", "severity"), SICK, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_weakness_is_found_and_the_line_that_is_printed_mends_it(
    name: str, environ: dict[str, str], severity: Severity
):
    found = checks(**environ)
    assert found.keys() - {"development"} == {name} - {"development"}
    assert found[name].severity is severity
    mended = after(str(found[name].command), environ)
    if name == "sqlite":
        mended["AUTHSERVER_DATABASE__URL"] = mended["AUTHSERVER_DATABASE__URL"].replace("HOST", "localhost")
    assert name not in checks(**mended)


@pytest.mark.parametrize(
    "issuer", ["http://localhost:8000", "http://[::1]:8000", "http://a.localhost", "https://127.0.0.1"]
)
def test_an_issuer_that_stays_on_the_machine_is_fine(issuer: str):
    assert checks(**HEALTHY, AUTHSERVER_ISSUER=issuer) == {}


@pytest.mark.parametrize("key_dir", ["data", "data/keys", "beside"])
def test_a_master_key_where_the_data_lies_is_found_and_moved(tmp_path: Path, key_dir: str):
    (tmp_path / key_dir).mkdir(parents=True)
    (tmp_path / key_dir / "master.key").write_text(A_KEY)
    environ = {
        **HEALTHY,
        "AUTHSERVER_DATA_DIR": str(tmp_path / "data"),
        "AUTHSERVER_KEY_DIR": str(tmp_path / key_dir),
        "AUTHSERVER_DATABASE__URL": f"sqlite:///{tmp_path / key_dir.split('/', maxsplit=1)[0]}/authserver.db",
    }
    mended = after(str(checks(**environ)["master-key-place"].command), environ)
    assert checks(**mended) == {}
    assert (Path(mended["AUTHSERVER_KEY_DIR"]) / "master.key").read_text() == A_KEY


@pytest.mark.parametrize("ending", ["", ".txt"])
def test_a_folder_of_breached_passwords_that_lacks_its_ends_is_found(tmp_path: Path, ending: str):
    environ = {**PRODUCTION, "AUTHSERVER_PASSWORDS__BREACHED_DIR": str(tmp_path)}
    for name in ("00000", "FFFFF"):
        assert checks(**environ)["breached-files"].severity is Severity.WARNING
        (tmp_path / (name + ending)).touch()
    assert checks(**environ) == {}


def test_commands_are_quoted_for_a_shell_and_names_are_never_taken_for_options():
    line = authserver("clients", "edit", "--help", remove_scope="a;b$(c)")
    assert line == "authserver clients edit --remove-scope 'a;b$(c)' -- --help"
    assert parse(line) == ["clients", "edit", "--remove-scope", "a;b$(c)", "--", "--help"]
    assert set_to(issuer="https://a/$(x)") == "export AUTHSERVER_ISSUER='https://a/$(x)'"
