"""What an environment has by itself or by the habit of its tools does not keep the server from starting."""

from ipaddress import ip_network

import pytest

from authserver.settings.loading import variable_of
from authserver.settings.model import Settings
from authserver.settings.report import NOT_SET, describe
from tests.support.given_settings import ConfigFile, loaded, problem

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_variables_of_a_neighbouring_service_do_not_count_and_are_told():
    """The database of a Helm release has them, and the server did not start."""
    of_a_release = {
        "AUTHSERVER_POSTGRESQL_SERVICE_HOST": "10.0.0.2",
        "AUTHSERVER_POSTGRESQL_SERVICE_PORT": "5432",
        "AUTHSERVER_POSTGRESQL_SERVICE_PORT_TCP_POSTGRESQL": "5432",
        "AUTHSERVER_POSTGRESQL_PORT": "tcp://10.0.0.2:5432",
        "AUTHSERVER_POSTGRESQL_PORT_5432_TCP": "tcp://10.0.0.2:5432",
        "AUTHSERVER_POSTGRESQL_PORT_5432_TCP_PROTO": "tcp",
        "AUTHSERVER_POSTGRESQL_PORT_5432_TCP_PORT": "5432",
        "AUTHSERVER_POSTGRESQL_PORT_5432_TCP_ADDR": "10.0.0.2",
        "AUTHSERVER_DNS_PORT_53_UDP": "udp://10.0.0.3:53",
        "AUTHSERVER_SERVER_PORT": "tcp://10.0.0.4:80",
        "AUTHSERVER_PORT": "tcp://[fd00::7]:80",
    }
    settings = loaded(**of_a_release)
    assert settings.sources == {}
    assert [line.split(":")[0] for line in settings.ignored] == sorted(of_a_release)
    assert all(line.endswith("Kubernetes or Docker describes a service with it") for line in settings.ignored)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_of_a_setting_that_may_be_absent_counts_as_not_set(empty: str, a_file: ConfigFile):
    file = a_file("[metrics]\ntoken = '0123456789abcdef'")
    absent = [name for name, value, _ in describe(Settings()) if value == NOT_SET]
    environ = {variable_of(name): empty for name in absent}
    environ |= {"AUTHSERVER_CONFIG": ""} if empty == "" else {}
    environ |= {f"{variable_of(name)}_FILE": empty for name in ("database.url", "master_key", "issuer")}
    settings = loaded(file, **environ)
    assert settings.sources == {"metrics.token": str(file)}
    assert "AUTHSERVER_DATABASE__URL: empty, so it counts as not set" in settings.ignored
    assert len(settings.ignored) == len(environ) >= 9


@pytest.mark.parametrize(
    ("variable", "value", "meant"),
    [
        ("AUTHSERVER_SERVER_PORT", "8000", "AUTHSERVER_SERVER__PORT"),
        ("AUTHSERVER_PORT", "", "AUTHSERVER_SERVER__PORT"),
        ("AUTHSERVER_METRICS_TOKEN", "", "AUTHSERVER_METRICS__TOKEN"),
    ],
)
def test_a_mistyped_variable_is_refused_all_the_same(variable: str, value: str, meant: str):
    assert problem(**{variable: value}) == f"{variable}: unknown setting; did you mean {meant}?"


def test_an_empty_variable_of_a_setting_with_a_default_is_refused():
    for name in ("server.port", "server.host", "data_dir", "issuer"):
        assert problem(**{variable_of(name): ""}).startswith(f"{variable_of(name)}: must ")


@pytest.mark.parametrize(
    "written",
    [
        '["10.0.0.0/8", "fd00::/8"]',
        "['10.0.0.0/8','fd00::/8']",
        '\'["10.0.0.0/8", "fd00::/8"]\'',
        '"[10.0.0.0/8 fd00::/8]"',
        '"10.0.0.0/8,fd00::/8"',
        '"10.0.0.0/8","fd00::/8"',
        '[\n  "10.0.0.0/8",\n  "fd00::/8",\n]\n',
    ],
)
def test_networks_in_a_variable_are_written_as_a_list_with_or_without_quotes_round_it(written: str):
    networks = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert loaded(AUTHSERVER_TRUSTED_PROXIES=written).trusted_proxies == networks
    assert "networks" in problem(AUTHSERVER_TRUSTED_PROXIES=f"[{written}")


def test_the_word_database_sets_no_other_store_of_counts(a_file: ConfigFile):
    file = a_file("[throttling]\nstore = 'redis://cache/0'")
    assert loaded(file).throttling.store is not None
    assert loaded(file, AUTHSERVER_THROTTLING__STORE="database").throttling.store is None
