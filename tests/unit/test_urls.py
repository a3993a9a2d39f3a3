"""Origins, loopback and the names of cookies have one meaning each."""

import pytest

from authserver.urls import cookie_name, is_loopback, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com:443/tenant", "https://auth.example.com"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://AUTH.example.com:8443/?a=b", "https://auth.example.com:8443"),
        ("https://auth.example.com:80", "https://auth.example.com:80"),
        ("http://[::1]:8000/callback", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str):
    assert origin_of(url) == origin
    assert origin_of(origin) == origin


@pytest.mark.parametrize("url", ["https://auth.example.com:99999", "https://[::1", "https://auth.example.com:https"])
def test_what_has_no_origin_is_refused(url: str):
    with pytest.raises(ValueError, match=r"port|IPv6"):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "stays"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]/callback", True),
        ("http://localhost:3000", True),
        ("http://app.localhost", True),
        ("http://localhost.example.com", False),
        ("http://notlocalhost", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@example.com", False),
        ("com.example.app:/callback", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(url: str, *, stays: bool):
    assert is_loopback(url) is stays


def test_a_cookie_has_the_prefix_on_https_alone():
    assert cookie_name("authserver", "https://auth.example.com") == "__Host-authserver"
    assert cookie_name("authserver", "http://127.0.0.1:8000") == "authserver"
