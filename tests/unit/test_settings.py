"""Settings: the order of sources, every refusal with its source, the rules of production, and masking."""

import base64
import re
import secrets
import tomllib
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from authserver.settings.loading import SettingsError, fields_of, is_secret, may_be_file, variable_of
from authserver.settings.model import Settings, load_settings
from authserver.settings.report import MASK, describe
from authserver.settings.types import DATABASE_URL_HINT, decode_master_key
from authserver.settings.values import DatabaseSettings, TokenSettings

A_KEY = base64.b64encode(bytes(range(32))).decode()
DOCUMENTED = Path(__file__).parents[2] / "config" / "authserver.toml"
PRODUCTION = {
    "AUTHSERVER_ENVIRONMENT": "production",
    "AUTHSERVER_ISSUER": "https://auth.example.com",
    "AUTHSERVER_MASTER_KEY": A_KEY,
    "AUTHSERVER_DATABASE__URL": "postgresql://authserver@db/authserver",
}

ConfigFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authserver.toml that lies where the tests are started must not count."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def a_file(tmp_path: Path) -> ConfigFile:
    def write(text: str) -> Path:
        file = tmp_path / "given.toml"
        file.write_text(text)
        return file

    return write


def loaded(file: Path | None = None, **environ: str) -> Settings:
    return load_settings(file, environ)


def problems(file: Path | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load_settings(file, environ)
    assert str(refusal.value) == "\n".join(refusal.value.problems)
    return refusal.value.problems


def problem(file: Path | None = None, **environ: str) -> str:
    found = problems(file, **environ)
    assert len(found) == 1, found
    return found[0]


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


# --- refusals


def test_everything_that_is_wrong_is_told_at_once_with_its_source(a_file: ConfigFile):
    file = a_file(
        'retry_windw = 3\nserver = {prot = 1, threads = true}\nlog = 3\n[databse]\nurl = "x"\n'
        '[tokens]\nretry_window = 500\naccess_token_lifetime = "2d"'
    )
    access, limit = "tokens.access_token_lifetime", "tokens.max_access_token_lifetime"
    assert problems(
        file,
        AUTHSERVER_SERVER_PORT="1",
        AUTHSERVER_DATABASE__URL="mysql://db/authserver",
        AUTHSERVER_MASTER_KEY_FILE="/nowhere",
        AUTHSERVER_ENVIRONMENT="production",
    ) == [
        f"{file}: retry_windw: unknown setting; did you mean tokens.retry_window?",
        f"{file}: server.prot: unknown setting; did you mean server.port?",
        f"{file}: log: must be a table, written as [log]",
        f"{file}: [databse]: unknown table; did you mean [database]?",
        "AUTHSERVER_SERVER_PORT: unknown setting; did you mean AUTHSERVER_SERVER__PORT?",
        "AUTHSERVER_MASTER_KEY_FILE: must name a file that can be read: No such file or directory",
        f"{file}: server.threads: must be a whole number",
        f"AUTHSERVER_DATABASE__URL: {DATABASE_URL_HINT}",
        f"{file}: tokens.retry_window: must be less than or equal to 300",
        "issuer (not set): production needs an issuer that starts with https://",
        f"{file}: {access} and {limit} (not set): {access} must be at most {limit} (86400)",
    ]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AUTHSERVER_ISUER", "AUTHSERVER_ISSUER"),
        ("AUTHSERVER_PORT", "AUTHSERVER_SERVER__PORT"),
        ("AUTHSERVER_DATABASE_URL", "AUTHSERVER_DATABASE__URL"),
        ("AUTHSERVER_MASTERKEY_FILE", "AUTHSERVER_MASTER_KEY_FILE"),
        ("AUTHSERVER_CONFG", "AUTHSERVER_CONFIG"),
        ("AUTHSERVER_SERVER__PORT_FILE", "AUTHSERVER_SERVER__PORT"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_one_that_was_meant(variable: str, meant: str):
    assert problem(**{variable: "8000"}) == f"{variable}: unknown setting; did you mean {meant}?"


def test_a_name_like_no_other_is_refused_without_a_guess(a_file: ConfigFile):
    file = a_file("[quux]\nzzz = 1")
    assert problems(file, AUTHSERVER_QQQ="1") == [
        f"{file}: [quux]: unknown table",
        "AUTHSERVER_QQQ: unknown setting",
    ]


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("environment", "staging", "'development' or 'production'"),
        ("issuer", "auth.example.com", "an absolute URL"),
        ("issuer", "ftp://auth.example.com", "an absolute URL"),
        ("issuer", "https://", "an absolute URL"),
        ("issuer", "https://auth.example.com:99999", "an absolute URL"),
        ("issuer", "https://auth.example.com?tenant=1", "without query"),
        ("issuer", "https://auth.example.com/#x", "fragment"),
        ("issuer", "https://user:word@auth.example.com", "user name"),
        ("issuer", "https://auth.example.com/a b", "an absolute URL"),
        ("data_dir", "", "the path of a directory"),
        ("key_dir", " ", "the path of a directory"),
        ("master_key", "short", "openssl rand -base64 32"),
        ("old_master_key", "short", "openssl rand -base64 32"),
        ("trusted_proxies", "10.0.0.1/8", "without host bits"),
        ("trusted_proxies", "proxy.internal", "networks"),
        ("server.host", "", "at least 1 character"),
        ("server.port", "eighty", "a whole number"),
        ("server.port", "80.0", "a whole number"),
        ("server.port", "0", "greater than or equal to 1"),
        ("server.port", "65536", "less than or equal to 65535"),
        ("server.workers", "0", "greater than or equal to 1"),
        ("server.threads", "3", "greater than or equal to 4"),
        ("server.max_body_bytes", "1", "greater than or equal to 1024"),
        ("server.shutdown_timeout", "soon", "a number of seconds"),
        ("server.shutdown_timeout", "-1", "a number of seconds"),
        ("server.shutdown_timeout", "1.5", "integer"),
        ("database.url", "", "postgresql://"),
        ("database.url", "mysql://db/authserver", "postgresql://"),
        ("database.url", "postgresql+asyncpg://db/authserver", "postgresql://"),
        ("database.url", "postgresql://db", "postgresql://"),
        ("database.url", "postgresql://db:port/authserver", "postgresql://"),
        ("database.url", "sqlite://", "sqlite:////absolute"),
        ("database.url", "sqlite://data/x.db", "sqlite:////absolute"),
        ("database.url", "sqlite:///file:x?mode=memory&uri=true", "sqlite:////absolute"),
        ("database.url", "sqlite:///:memory:", "cannot be shared"),
        ("database.pool_size", "0", "greater than or equal to 1"),
        ("database.timeout", "0", "greater than or equal to 1"),
        ("database.max_clock_skew", "0", "greater than or equal to 1"),
        ("tokens.algorithm", "HS256", "'ES256', 'EdDSA' or 'RS256'"),
        ("tokens.algorithm", "none", "'ES256', 'EdDSA' or 'RS256'"),
        ("tokens.access_token_lifetime", "0", "greater than or equal to 1"),
        ("tokens.refresh_idle_lifetime", "7 days", '"7d"'),
        ("tokens.refresh_absolute_lifetime", "99999999d", "at most 100 years"),
        ("tokens.retry_window", "301", "less than or equal to 300"),
        ("tokens.max_sessions_per_user_and_client", "0", "greater than or equal to 1"),
        ("keys.jwks_max_age", "301", "less than or equal to 300"),
        ("passwords.hashing_concurrency", "0", "greater than or equal to 1"),
        ("passwords.min_length", "7", "greater than or equal to 8"),
        ("passwords.max_length", "257", "less than or equal to 256"),
        ("retention.audit", "1h", "greater than or equal to 86400"),
        ("retention.prune_batch", "0", "greater than or equal to 1"),
        ("caches.max_age", "0", "greater than 0"),
        ("caches.max_age", "5.1", "less than or equal to 5"),
        ("caches.max_age", "nan", "a number of seconds"),
        ("log.level", "loud", "'INFO'"),
        ("log.format", "xml", "'json' or 'console'"),
        ("metrics.token", "short", "at least 16"),
        ("metrics.token", "has a space in its middle", "at least 16"),
    ],
)
def test_a_bad_value_is_refused_with_its_variable_and_what_is_right(name: str, value: str, right: str):
    told = problem(**{variable_of(name): value})
    assert told.startswith(f"{variable_of(name)}: must ")
    assert right in told


@pytest.mark.parametrize(
    "line",
    [
        "[server]\nport = true",
        "[server]\nport = 8000.0",
        "[server]\nhost = 1",
        "[server]\nport = {number = 1}",
        "trusted_proxies = [1]",
        "trusted_proxies = 1",
        "data_dir = 1",
        "[tokens]\naccess_token_lifetime = true",
        f"[tokens]\naccess_token_lifetime = {10**400}",
        "[caches]\nmax_age = inf",
        "[database]\nurl = 1",
        "master_key = 1",
        "[log]\nlevel = 10",
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_file_and_key(line: str, a_file: ConfigFile):
    file = a_file(line)
    assert re.match(rf"{re.escape(str(file))}: [a-z_.]+: must ", problem(file))


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("tokens.access_token_lifetime=86401", "tokens.max_access_token_lifetime"),
        ("tokens.refresh_idle_lifetime=29d", "tokens.max_refresh_idle_lifetime=28d"),
        ("tokens.refresh_absolute_lifetime=366d", "tokens.max_refresh_absolute_lifetime"),
        ("tokens.refresh_idle_lifetime=31d", "tokens.refresh_absolute_lifetime"),
        ("tokens.access_token_lifetime=2h", "tokens.refresh_idle_lifetime=1h"),
        ("keys.jwks_max_age", "keys.signing_key_lifetime=299"),
        ("passwords.min_length=20", "passwords.max_length=19"),
        ("passwords.hashing_queue=14", "server.threads=16"),
        ("passwords.argon2_memory_kib=8", "passwords.argon2_parallelism=2"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_both_names(small: str, large: str):
    environ = {
        variable_of(name): value for name, is_set, value in (small.partition("="), large.partition("=")) if is_set
    }
    places = [
        variable_of(name) if is_set else f"{name} (not set)"
        for name, is_set, _ in (small.partition("="), large.partition("="))
    ]
    told = problem(**environ)
    assert told.startswith(f"{places[0]} and {places[1]}: ")


def test_settings_made_in_code_are_refused_for_contradictions_too():
    with pytest.raises(ValidationError, match="retry_window"):
        TokenSettings(retry_window=301)
    with pytest.raises(ValidationError, match=r"https://.* explicit database"):
        Settings(environment="production")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing.toml", "cannot read the config file: No such file or directory"),
        (".", "cannot read the config file: Is a directory"),
    ],
)
def test_a_config_file_that_cannot_be_read_is_one_clear_line(file: str, reason: str):
    assert problem(Path(file), AUTHSERVER_QQQ="1") == f"{file}: {reason}"
    assert problem(AUTHSERVER_CONFIG=file) == f"{file}: {reason}"


@pytest.mark.parametrize("content", [b"[server", b"port: 8000", b"\xff\xfe", b"port = " + b"9" * 5000])
def test_a_config_file_that_is_no_toml_is_one_clear_line(content: bytes, tmp_path: Path):
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    told = problem(file)
    assert told.startswith(f"{file}: is not valid TOML: ")
    assert "\n" not in told


def test_an_empty_name_of_the_config_file_is_refused():
    assert problem(AUTHSERVER_CONFIG=" ").startswith("AUTHSERVER_CONFIG: must be the path of a file")


def test_a_secret_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "key").write_bytes(b"\xff" * 32)
    told = problem(AUTHSERVER_MASTER_KEY_FILE=str(tmp_path / "key"))
    assert told == "AUTHSERVER_MASTER_KEY_FILE: must name a file of UTF-8 text"


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
        # Mistaken for the variable without _FILE.
        problem(**{f"{variable_of(name)}_FILE": secret}),
        problem(**{f"{variable_of(name)}_FIL": secret}),
    ]
    assert not [line for line in told if "hunter2" in line]


def test_settings_made_in_code_show_no_secret_when_refused():
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate({"master_key": "hunter2", "database": {"url": "mysql://u:hunter2@db/x"}})
    assert "hunter2" not in str(refusal.value)


def test_settings_that_are_printed_or_described_show_no_secret():
    word = secrets.token_hex(16)
    url = f"postgresql://u:{word}@db/x"
    settings = loaded(AUTHSERVER_DATABASE__URL=url, AUTHSERVER_METRICS__TOKEN=word, AUTHSERVER_MASTER_KEY=A_KEY)
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


def test_an_issuer_loses_its_trailing_slash_and_keeps_its_path():
    assert loaded(AUTHSERVER_ISSUER="https://example.com/auth/").issuer == "https://example.com/auth"


def test_networks_are_written_as_a_list_or_with_commas(a_file: ConfigFile):
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert loaded(AUTHSERVER_TRUSTED_PROXIES="10.0.0.0/8, fd00::/8").trusted_proxies == networks
    assert loaded(a_file('trusted_proxies = ["10.0.0.0/8", "fd00::/8"]')).trusted_proxies == networks
    assert loaded(a_file('trusted_proxies = ["10.0.0.0/8"]'), AUTHSERVER_TRUSTED_PROXIES="").trusted_proxies == ()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_url_gets_our_driver_and_keeps_its_password(scheme: str):
    url = loaded(AUTHSERVER_DATABASE__URL=f"{scheme}://u:p%40ss%2Fword@db:5433/x?sslmode=require").database_url
    rendered = url.render_as_string(hide_password=False)
    assert rendered == "postgresql+psycopg://u:p%40ss%2Fword@db:5433/x?sslmode=require"
    assert url.password == "p@ss/word"


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


# --- the documented file


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
