"""Settings: the order of sources, masking, the rules of production, and the forms of values."""

import base64
import secrets
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from authserver.settings.loading import fields_of, is_secret, may_be_file, variable_of
from authserver.settings.model import Settings
from authserver.settings.report import MASK, describe
from authserver.settings.types import decode_master_key
from authserver.settings.values import DatabaseSettings, TokenSettings
from tests.support.given_settings import A_KEY, PRODUCTION, ConfigFile, loaded, problem, problems

pytestmark = pytest.mark.usefixtures("empty_directory")


# --- sources and their order


def test_without_any_source_the_defaults_hold():
    assert loaded() == Settings()
    assert Settings().sources == {}


def test_a_file_wins_over_a_default(a_file: ConfigFile):
    assert loaded(a_file("[server]\nport = 9000")).server.port == 9000


def test_the_environment_wins_over_the_file(a_file: ConfigFile):
    assert loaded(a_file("[server]\nport = 9000"), AUTHSERVER_SERVER__PORT="9001").server.port == 9001


def test_the_environment_replaces_single_settings_of_a_group(a_file: ConfigFile):
    settings = loaded(a_file("[server]\nport = 9000\nworkers = 3"), AUTHSERVER_SERVER__PORT="9001")
    assert (settings.server.port, settings.server.workers) == (9001, 3)


def test_a_secret_file_wins_over_the_environment(tmp_path: Path):
    (tmp_path / "token").write_text("from-the-file-0123456789\n")
    settings = loaded(
        AUTHSERVER_METRICS__TOKEN="from-the-variable-0123456789", AUTHSERVER_METRICS__TOKEN_FILE=str(tmp_path / "token")
    )
    assert settings.metrics.token is not None
    assert settings.metrics.token.get_secret_value() == "from-the-file-0123456789"
    assert settings.sources == {"metrics.token": "AUTHSERVER_METRICS__TOKEN_FILE"}


def test_every_secret_and_every_url_may_come_from_a_file(tmp_path: Path):
    contents = {
        "issuer": "https://auth.example.com",
        "master_key": A_KEY,
        "old_master_key": A_KEY,
        "database.url": "postgresql://authserver@db/authserver",
        "throttling.store": "redis://:a-secret@redis/0",
        "metrics.token": "0123456789abcdef",
    }
    assert {name for name, info in fields_of(Settings).items() if may_be_file(info)} == set(contents)
    environ = {}
    for name, text in contents.items():
        (tmp_path / name).write_text(f"{text}\r\n")
        environ[f"{variable_of(name)}_FILE"] = str(tmp_path / name)
    assert set(loaded(**environ).sources) == set(contents)


def test_a_file_named_by_the_environment_is_read(a_file: ConfigFile):
    assert loaded(AUTHSERVER_CONFIG=str(a_file("[server]\nport = 9000"))).server.port == 9000


def test_a_file_that_is_given_wins_over_the_one_that_the_environment_names(a_file: ConfigFile):
    assert loaded(a_file("[server]\nport = 9000"), AUTHSERVER_CONFIG="/nowhere.toml").server.port == 9000


def test_authserver_toml_in_the_current_directory_is_read():
    Path("authserver.toml").write_text("[server]\nport = 9000")
    assert loaded().server.port == 9000


def test_variables_of_others_do_not_count():
    assert loaded(PATH="/bin", AUTHLIB_INSECURE_TRANSPORT="1").sources == {}


def test_variables_that_kubernetes_sets_for_a_service_of_our_name_do_not_count():
    environ = {
        "AUTHSERVER_SERVICE_HOST": "10.0.0.7",
        "AUTHSERVER_SERVICE_PORT": "80",
        "AUTHSERVER_SERVICE_PORT_HTTP": "80",
        "AUTHSERVER_PORT": "tcp://10.0.0.7:80",
        "AUTHSERVER_PORT_80_TCP": "tcp://10.0.0.7:80",
        "AUTHSERVER_PORT_80_TCP_ADDR": "10.0.0.7",
    }
    assert loaded(**environ).sources == {}


# --- secrets stay secret


@pytest.mark.parametrize("name", [name for name, info in fields_of(Settings).items() if is_secret(info)])
def test_the_value_of_a_secret_is_in_no_error(name: str, tmp_path: Path, a_file: ConfigFile):
    secret = "hunter2 hunter2"
    (tmp_path / "secret").write_text(secret)
    *group, key = name.split(".")
    in_file = a_file("".join(f"[{part}]\n" for part in group) + f'{key} = "{secret}"')
    told = [
        problem(in_file),
        problem(**{variable_of(name): secret}),
        problem(**{f"{variable_of(name)}_FILE": str(tmp_path / "secret")}),
        # It is mistaken for the variable without _FILE.
        problem(**{f"{variable_of(name)}_FILE": secret}),
        problem(**{f"{variable_of(name)}_FIL": secret}),
    ]
    assert not [line for line in told if "hunter2" in line]


def test_settings_made_in_code_show_no_secret_when_refused():
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate({"master_key": "hunter2", "database": {"url": "mysql://u:hunter2@db/x"}})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("hosts", ["db", "db1:5432,db2"])
def test_settings_that_are_printed_or_described_show_no_secret(hosts: str):
    word = secrets.token_hex(16)
    url = f"postgresql://u:{word}@{hosts}/x"
    secret = {
        "AUTHSERVER_METRICS__TOKEN": word,
        "AUTHSERVER_THROTTLING__STORE": f"redis://:{word}@cache/0",
    }
    settings = loaded(AUTHSERVER_DATABASE__URL=url, AUTHSERVER_MASTER_KEY=A_KEY, **secret)
    shown = f"{settings!r} {settings} {describe(settings)} {settings.database_url} {settings.database_url!r}"
    assert word not in shown
    assert A_KEY not in shown
    assert settings.database_url.password == word


def test_a_description_names_every_setting_with_its_source(a_file: ConfigFile):
    file = a_file("trusted_proxies = ['10.0.0.0/8', '::1']")
    described = describe(loaded(file, AUTHSERVER_SERVER__PORT="9000", AUTHSERVER_METRICS__TOKEN="0123456789abcdef"))
    assert [name for name, _, _ in described] == list(fields_of(Settings))
    assert {
        ("environment", "development", "default"),
        ("master_key", "not set", "default"),
        ("trusted_proxies", "10.0.0.0/8, ::1/128", str(file)),
        ("server.port", "9000", "AUTHSERVER_SERVER__PORT"),
        ("metrics.token", MASK, "AUTHSERVER_METRICS__TOKEN"),
    } <= set(described)


def test_a_description_of_settings_made_in_code_says_so():
    assert ("tokens.retry_window", "9", "code") in describe(Settings(tokens=TokenSettings(retry_window=9)))


# --- production


def test_production_with_all_it_needs_is_accepted():
    assert loaded(**PRODUCTION).environment == "production"


def test_production_without_issuer_key_and_database_is_refused_for_all_three():
    assert [line.split(":")[0] for line in problems(AUTHSERVER_ENVIRONMENT="production")] == [
        "issuer (not set)",
        "master_key (not set)",
        "database.url (not set)",
    ]


def test_production_with_an_http_issuer_is_refused():
    told = problem(**PRODUCTION | {"AUTHSERVER_ISSUER": "http://auth.example.com"})
    assert told == "AUTHSERVER_ISSUER: production needs an issuer that starts with https://"


def test_production_without_a_master_key_says_how_to_make_one():
    environ = {name: value for name, value in PRODUCTION.items() if name != "AUTHSERVER_MASTER_KEY"}
    assert "openssl rand -base64 32" in problem(**environ)


def test_production_accepts_a_master_key_file_that_is_there(tmp_path: Path):
    environ = {name: value for name, value in PRODUCTION.items() if name != "AUTHSERVER_MASTER_KEY"}
    (tmp_path / "master.key").write_text(A_KEY)
    assert loaded(**environ, AUTHSERVER_KEY_DIR=str(tmp_path)).master_key_file == tmp_path / "master.key"


@pytest.mark.parametrize(("memory", "passes"), [("19455", "2"), ("47103", "1"), ("9215", "4"), ("8", "1000")])
def test_production_refuses_hashes_below_every_owasp_minimum(memory: str, passes: str):
    cost = {"AUTHSERVER_PASSWORDS__ARGON2_MEMORY_KIB": memory, "AUTHSERVER_PASSWORDS__ARGON2_TIME_COST": passes}
    assert "OWASP" in problem(**PRODUCTION, **cost)
    assert loaded(**cost).passwords.argon2_time_cost == int(passes)


@pytest.mark.parametrize(("memory", "passes"), [("47104", "1"), ("19456", "2"), ("12288", "3"), ("7168", "5")])
def test_production_accepts_each_owasp_minimum(memory: str, passes: str):
    cost = {"AUTHSERVER_PASSWORDS__ARGON2_MEMORY_KIB": memory, "AUTHSERVER_PASSWORDS__ARGON2_TIME_COST": passes}
    assert loaded(**PRODUCTION, **cost).passwords.argon2_memory_kib == int(memory)


# --- values


@pytest.mark.parametrize(
    ("written", "seconds"), [("30", 30), ("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("0.5h", 1800)]
)
def test_a_duration_may_be_written_with_its_unit(written: str, seconds: int):
    assert loaded(AUTHSERVER_SERVER__SHUTDOWN_TIMEOUT=written).server.shutdown_timeout == seconds


def test_names_of_request_headers_come_as_a_list_or_a_text_and_in_lower_case():
    variable = "AUTHSERVER_WEB_APPS__REQUEST_HEADERS"
    assert loaded(**{variable: "X-Own, traceparent,x-own"}).web_apps.request_headers == ("x-own", "traceparent")
    assert loaded(**{variable: ""}).web_apps.request_headers == ()


@pytest.mark.parametrize("names", ["*", "x-datadog-*", "x-a:", "x-ä", "x-a\r\nx-b;", "traceparent, *"])
def test_no_pattern_and_no_other_text_is_the_name_of_a_request_header(names: str):
    assert "must be a list of names of headers" in problem(AUTHSERVER_WEB_APPS__REQUEST_HEADERS=names)


@pytest.mark.parametrize("path", ["//auth", "/a//b", "/a%2Fb", "/auth/..", "/./auth", "/<int:x>", "/[::1]"])
def test_an_issuer_with_a_path_of_several_spellings_is_refused(path: str):
    assert "AUTHSERVER_ISSUER: must" in problem(AUTHSERVER_ISSUER=f"https://example.com{path}")


def test_an_issuer_loses_its_trailing_slash_and_keeps_its_path():
    assert loaded(AUTHSERVER_ISSUER="https://example.com/auth/").issuer == "https://example.com/auth"


def test_networks_are_written_as_a_list_or_with_commas(a_file: ConfigFile):
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert loaded(AUTHSERVER_TRUSTED_PROXIES="[]").trusted_proxies == ()
    assert loaded(AUTHSERVER_TRUSTED_PROXIES="'[]'").trusted_proxies == ()
    assert loaded(AUTHSERVER_TRUSTED_PROXIES="10.0.0.0/8, fd00::/8").trusted_proxies == networks
    assert loaded(a_file('trusted_proxies = ["10.0.0.0/8", "fd00::/8"]')).trusted_proxies == networks
    assert loaded(a_file('trusted_proxies = ["10.0.0.0/8"]'), AUTHSERVER_TRUSTED_PROXIES="").trusted_proxies == ()


def test_addresses_to_listen_on_are_written_as_a_list_or_with_commas(a_file: ConfigFile):
    assert loaded(AUTHSERVER_SERVER__HOST="127.0.0.1,::1").server.host == "127.0.0.1, ::1"
    assert loaded(a_file('[server]\nhost = ["127.0.0.1", "::1"]')).server.host == "127.0.0.1, ::1"
    assert loaded(a_file('[server]\nhost = "::"')).server.host == "::"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_url_gets_our_driver_and_keeps_its_password(scheme: str):
    url = loaded(AUTHSERVER_DATABASE__URL=f"{scheme}://u:p%40ss%2Fword@db:5433/x?sslmode=require").database_url
    rendered = url.render_as_string(hide_password=False)
    assert rendered == "postgresql+psycopg://u:p%40ss%2Fword@db:5433/x?sslmode=require"
    assert url.password == "p@ss/word"


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("postgres://u@a:1,b:2/x", "a,b", "1,2"),
        ("postgresql://u@a,b:2/x?sslmode=require", "a,b", "5432,2"),
        ("postgresql://u@[::1]:1,[fd00::5]/x", "::1,fd00::5", "1,5432"),
        ("postgresql://u@a,b/x?options=-csearch_path%3Da@b", "a,b", "5432,5432"),
        ("postgresql://u@/x?host=a,b&port=1,2", "a,b", "1,2"),
        ("postgresql://u@/x?host=::1,fd00::5&port=1,2", "::1,fd00::5", "1,2"),
        ("postgresql://u@/x?host=a:1&host=b:2", "a,b", "1,2"),
    ],
)
def test_several_hosts_are_written_as_libpq_or_sqlalchemy_takes_them(written: str, host: str, port: str):
    url = loaded(AUTHSERVER_DATABASE__URL=written).database_url
    options = url.get_dialect()().create_connect_args(url)[1]
    assert (options["user"], options["host"], options["port"], options["dbname"]) == ("u", host, port, "x")


def test_without_a_database_url_the_embedded_one_is_used_by_its_absolute_path(tmp_path: Path):
    url = loaded(AUTHSERVER_DATA_DIR="somewhere").database_url
    assert (url.drivername, url.database) == ("sqlite", str(tmp_path / "somewhere" / "authserver.db"))


def test_an_sqlite_url_with_a_relative_path_counts_from_the_current_directory(tmp_path: Path):
    assert loaded(AUTHSERVER_DATABASE__URL="sqlite:///x.db").database_url.database == str(tmp_path / "x.db")


def test_a_master_key_is_read_in_either_alphabet_with_or_without_padding():
    key = bytes([0xFB, 0xFF] * 16)
    for text in (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert decode_master_key(text) == decode_master_key(text.rstrip("=")) == decode_master_key(f"{text}\n") == key


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 41 + "+_", "A" * 43 + "==", "é" * 43])
def test_a_damaged_master_key_is_refused(text: str):
    with pytest.raises(ValueError, match="openssl rand -base64 32"):
        decode_master_key(text)


def test_settings_cannot_be_changed():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.issuer = "https://elsewhere.example"
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1
    with pytest.raises(ValidationError, match="Extra inputs"):
        DatabaseSettings.model_validate({"urll": "x"})
