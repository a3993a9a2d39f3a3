"""The valid registrations of an API, and the changes that take something away from users."""

from __future__ import annotations

import pytest

from authserver.apis.model import Scope
from authserver.apis.registration import audience_problem, narrows, problems, scope_problem

API = "https://api.example.com"


@pytest.mark.parametrize(
    "audience", [API, "https://api.example.com:8443/orders?v=2", "urn:example:orders", "http://127.0.0.1:9000", "api:x"]
)
def test_an_absolute_uri_is_an_audience(audience: str):
    assert audience_problem(audience) is None


@pytest.mark.parametrize(
    "audience",
    [
        "", "api.example.com", "/orders", "https://", "https:///path", "https://api.example.com#top", "https://a b",
        "https://bücher.example", "https://api.example.com/%zz", "https://api.example.com:99999", "https://a\n",
        "https://api.example.com/" + "a" * 255, 'https://api.example.com/"',
    ],
)  # fmt: skip
def test_what_is_no_absolute_uri_without_fragment_is_refused(audience: str):
    assert audience_problem(audience) is not None


@pytest.mark.parametrize("scope", ["read", "orders:read", "a/b", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "s" * 100])
def test_what_rfc_6749_allows_is_a_scope(scope: str):
    assert scope_problem(scope) is None


@pytest.mark.parametrize("scope", ["", "two words", 'quo"te', "back\\slash", "é", "nul\0", "tab\t", "s" * 101])
def test_what_rfc_6749_forbids_is_no_scope(scope: str):
    assert scope_problem(scope) is not None


def test_all_problems_come_at_once():
    assert len(list(problems("nowhere", " ", {"bad scope": frozenset({"-bad-role"})}))) == 4


def scopes(**roles: str) -> dict[str, Scope]:
    return {name: Scope(name, API, frozenset(bound.split())) for name, bound in roles.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"read": "", "write": ""}, {"read": ""}),
        ({"read": ""}, {"read": "editor"}),
        ({"read": "editor clerk"}, {"read": "editor"}),
        ({"read": "editor"}, {"read": "clerk"}),
    ],
)
def test_losing_a_scope_or_a_role_that_opens_it_narrows(before: dict[str, str], after: dict[str, str]):
    assert narrows(scopes(**before), scopes(**after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"read": ""}, {"read": "", "write": "editor"}),
        ({"read": "editor"}, {"read": "editor clerk"}),
        ({"read": "editor"}, {"read": ""}),
        ({"read": "editor"}, {"read": "editor"}),
    ],
)
def test_a_scope_more_or_a_role_more_narrows_nothing(before: dict[str, str], after: dict[str, str]):
    assert not narrows(scopes(**before), scopes(**after))
