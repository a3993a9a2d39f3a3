"""The caller's address, read from the header that the trusted proxies write, in every form in which proxies write it."""

import time
from collections.abc import Mapping
from ipaddress import ip_network

import pytest

from authserver.operations.proxies import TrustedProxies
from authserver.settings.values import ForwardedHeader

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"), ip_network("::ffff:192.0.2.0/120"))
HIDDEN = ""


def found(header: ForwardedHeader, value: str, peer: str = "10.0.0.1", other: Mapping[str, str] = {}) -> str:
    """The address that an application sees behind the proxies; `value` is that of the header."""
    seen = []
    key = "HTTP_" + header.upper().replace("-", "_")
    proxies = TrustedProxies(lambda environ, _start: seen.append(environ["REMOTE_ADDR"]) or [], NETWORKS, header)
    proxies({"REMOTE_ADDR": peer, **other, **({key: value} if value else {})}, lambda *_: lambda _: None)
    address: str = seen[0]
    return address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.8", "203.0.113.8"),
        ("203.0.113.8:51234", "203.0.113.8"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:51234", "2001:db8::1"),
        ('"[2001:db8::1]:51234"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:cb00:7109]:80", "203.0.113.9"),
        ("203.0.113.10, ::ffff:10.0.0.5", "203.0.113.10"),
        ("203.0.113.10:1, 10.9.9.9:2, [2001:db8:1::9]:3", "203.0.113.10"),
        (" , 203.0.113.8, ,", "203.0.113.8"),
        (",", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("unknown", HIDDEN),
        ("6.6.6.6, unknown", HIDDEN),
        ("6.6.6.6, unknown, 10.9.9.9", HIDDEN),
        ("6.6.6.6, _hidden", HIDDEN),
        ("6.6.6.6, nonsense", HIDDEN),
        ("6.6.6.6, 203.0.113.8:port", HIDDEN),
        ("203.0.113.256", HIDDEN),
    ],
)
def test_x_forwarded_for_is_read_in_every_form(written: str, address: str):
    assert found("x-forwarded-for", written) == address
    assert found("forwarded", "", peer="10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("for=203.0.113.8;proto=https;by=203.0.113.43", "203.0.113.8"),
        ('proto=https; FOR="203.0.113.8:51234" ;by=_x', "203.0.113.8"),
        ('For="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=203.0.113.8:51234", "203.0.113.8"),
        ("for=[2001:db8::1]", "2001:db8::1"),
        (r'for="203\.0.113.8"', "203.0.113.8"),
        ("for=6.6.6.6, for=203.0.113.8, for=10.9.9.9", "203.0.113.8"),
        (",,for=203.0.113.8;,", "203.0.113.8"),
        ('for=203.0.113.8;host="a, b;for=6.6.6.6"', "203.0.113.8"),
        ('host=";for=6.6.6.6;"', HIDDEN),
        ("for=6.6.6.6, for=unknown", HIDDEN),
        ("for=6.6.6.6, for=_hidden, for=10.9.9.9", HIDDEN),
        ("for=6.6.6.6, proto=https", HIDDEN),
        ("for=203.0.113.8;for=6.6.6.6", HIDDEN),
        ("nonsense", HIDDEN),
        ("", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_in_every_form(written: str, address: str):
    assert found("forwarded", written) == address


@pytest.mark.parametrize("planted", ['for="', 'for=6.6.6.6;x="', 'x="\\', "a,b;c=,", 'for="6.6.6.6', "\xff\t;;="])
def test_what_a_client_plants_before_it_hides_nothing_of_what_proxies_wrote(planted: str):
    for wrote in ("for=203.0.113.8", 'for="203.0.113.8:80";host="a, for=6.6.6.6;x=\\""'):
        assert found("forwarded", f"{planted}, {wrote}") == "203.0.113.8"


def test_the_header_that_is_not_set_is_never_read():
    for header, other in (("x-forwarded-for", "HTTP_FORWARDED"), ("forwarded", "HTTP_X_FORWARDED_FOR")):
        assert found(header, "", other={other: "6.6.6.6"}) == "10.0.0.1"
        assert found(header, "", other={other: "for=6.6.6.6"}) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "value", "address"),
    [
        ("::ffff:10.0.0.1", "203.0.113.8", "203.0.113.8"),
        ("::ffff:9.9.9.9", "6.6.6.6", "9.9.9.9"),
        ("::ffff:9.9.9.9", "", "9.9.9.9"),
        ("9.9.9.9", "6.6.6.6", "9.9.9.9"),
        ("fe80::1%eth0", "6.6.6.6", "fe80::1"),
        ("2001:db8:1::5", "203.0.113.8", "203.0.113.8"),
        ("192.0.2.200", "203.0.113.8", "203.0.113.8"),
        ("::ffff:192.0.2.200", "203.0.113.8", "203.0.113.8"),
        ("192.0.3.1", "6.6.6.6", "192.0.3.1"),
        ("", "6.6.6.6", ""),
    ],
)
def test_the_peer_of_a_socket_for_both_protocols_is_compared_and_kept_as_ipv4(peer: str, value: str, address: str):
    assert found("x-forwarded-for", value, peer) == address


@pytest.mark.parametrize(
    "long",
    ['"' + "," * 16_000, 'for="' * 3000, " ;" * 8000 + '"', "a=b;" * 4000 + '"', 'a="' + "\\a" * 8000, "1." * 8000],
)
def test_a_header_as_long_as_a_head_may_be_is_read_at_once(long: str):
    """An earlier pattern took minutes for one of them."""
    began = time.monotonic()
    assert found("forwarded", long) == HIDDEN
    assert found("x-forwarded-for", long) in (HIDDEN, "10.0.0.1")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("peer", "headers", "address", "unbelieved"),
    [
        ("127.0.0.1", {}, "127.0.0.1", 0),
        ("127.0.0.1", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, HIDDEN, 1),
        ("127.0.0.1", {"HTTP_FORWARDED": "for=203.0.113.8"}, HIDDEN, 1),
        ("::ffff:127.0.0.1", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, HIDDEN, 1),
        ("::1", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, HIDDEN, 1),
        ("172.17.0.1", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, "172.17.0.1", 1),
        ("10.0.0.1", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, "203.0.113.8", 0),
        ("9.9.9.9", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, "9.9.9.9", 0),
        ("", {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}, "", 0),
    ],
)
def test_a_proxy_that_nobody_trusts_is_noticed_and_one_on_this_machine_is_no_place(
    peer: str, headers: Mapping[str, str], address: str, unbelieved: int
):
    seen, noticed = [], []
    proxies = TrustedProxies(
        lambda environ, _start: seen.append(environ["REMOTE_ADDR"]) or [],
        NETWORKS,
        "x-forwarded-for",
        lambda: noticed.append(1),
    )
    proxies({"REMOTE_ADDR": peer, **headers}, lambda *_: lambda _: None)
    assert (seen, len(noticed)) == ([address], unbelieved)
