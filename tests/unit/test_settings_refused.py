"""Each wrong setting is refused with its source and the values that are right."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from authserver.settings.loading import variable_of
from authserver.settings.model import Settings
from authserver.settings.types import DATABASE_URL_HINT
from authserver.settings.values import TokenSettings
from tests.support.given_settings import ConfigFile, loaded, problem, problems

pytestmark = pytest.mark.usefixtures("empty_directory")


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
        ("server.host", " , ", "at least 1 character"),
        ("server.port", "eighty", "a whole number"),
        ("server.port", "80.0", "a whole number"),
        ("server.port", "0", "greater than or equal to 1"),
        ("server.port", "65536", "less than or equal to 65535"),
        ("server.workers", "0", "greater than or equal to 1"),
        ("server.threads", "3", "greater than or equal to 4"),
        ("server.max_body_bytes", "1", "greater than or equal to 16384"),
        ("server.shutdown_timeout", "soon", "a number of seconds"),
        ("server.shutdown_timeout", "-1", "a number of seconds"),
        ("server.shutdown_timeout", "1.5", "integer"),
        ("database.url", "mysql://db/authserver", "postgresql://"),
        ("database.url", "postgresql+asyncpg://db/authserver", "postgresql://"),
        ("database.url", "postgresql://db", "postgresql://"),
        ("database.url", "postgresql://db:port/authserver", "postgresql://"),
        ("database.url", "postgresql://u:p@ss@db/authserver", "percent-encoded"),
        ("database.url", "postgresql://@/authserver?host=a&host=b&port=1&port=2&port=3", "postgresql://"),
        ("database.url", "postgresql://db/authserver?port=x", "postgresql://"),
        ("database.url", "postgresql://u:p@a:1,b:x/authserver", "postgresql://"),
        ("database.url", "postgresql://u:p@a,/authserver", "postgresql://"),
        ("database.url", "postgresql://u:p@a,b", "postgresql://"),
        ("database.url", "postgresql://u:p@ss@a,b/authserver", "percent-encoded"),
        ("database.url", "postgresql://u:p@a,b/authserver?host=c", "postgresql://"),
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
        ("throttling.store", "localhost:6379", "redis://"),
        ("throttling.store", "memcached://cache/0", "redis://"),
        ("throttling.store", "redis://", "redis://"),
        ("throttling.store", "redis:///0", "redis://"),
        ("throttling.store", "redis://cache:port/0", "redis://"),
        ("throttling.store", "redis://cache:0/0", "redis://"),
        ("throttling.store", "redis://cache/first", "redis://"),
        ("throttling.store", "redis://:p/w@cache/0", "percent-encoded"),
        ("throttling.store", "redis://:p?w@cache/0", "percent-encoded"),
        ("throttling.store", "redis://:p#w@cache/0", "percent-encoded"),
        ("throttling.store", "redis://cache /0", "redis://"),
        ("throttling.store", "redis://cache/0?socket_timeout=60", "redis://"),
        ("throttling.store", "rediss://cache/0?ssl_cert_reqs=none", "?ssl_ca_certs="),
        ("throttling.store", "unix://run/redis.sock", "unix://"),
        ("throttling.store", "unix:///", "unix://"),
        ("throttling.store", "unix:///run/redis.sock?db=x", "unix://"),
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
        "[server]\nhost = [1]",
        "[server]\nhost = []",
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


def test_a_directory_of_breached_passwords_has_to_be_there(tmp_path: Path):
    (tmp_path / "file").touch()
    for place in ("missing", "file"):
        told = problem(AUTHSERVER_PASSWORDS__BREACHED_DIR=str(tmp_path / place))
        assert told.startswith("AUTHSERVER_PASSWORDS__BREACHED_DIR: must be a directory"), told
    assert loaded(AUTHSERVER_PASSWORDS__BREACHED_DIR=str(tmp_path)).passwords.breached_dir == tmp_path


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
