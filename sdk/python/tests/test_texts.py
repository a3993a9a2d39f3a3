"""A single text is refused as a collection of texts, and never split into its letters."""

import json

import pytest

from authserver_resource import VerificationError, Verifier
from authserver_resource.asgi import AccessTokenMiddleware
from authserver_resource.gate import Gate

AUDIENCE = "https://api.example.com"
ORIGIN = "https://app.example.com"
GIVEN = {
    "public": (["/health"], "/health"),
    "origins": ([ORIGIN], ORIGIN),
    "algorithms": (["ES256"], "ES256"),
    "introspection": (("the-api", "a-secret"), "the-api:a-secret"),
}


@pytest.fixture
def make(make_verifier):
    """Return a function that makes the object with this parameter."""

    def given(name, value):
        if name == "public":
            return AccessTokenMiddleware(None, Gate(make_verifier()), public=value)
        if name == "origins":
            return Gate(make_verifier(), origins=value)
        return make_verifier(**{name: value})

    return given


@pytest.mark.parametrize("name", GIVEN)
def test_one_text_is_refused_where_several_are_meant(make, name):
    several, one = GIVEN[name]
    make(name, several)
    mapping = dict.fromkeys(several, False)  # as in {"/health": False}
    for bad in (one, "", one.encode(), [one.encode()], mapping, None if name != "introspection" else 1):
        with pytest.raises(TypeError, match=rf"^{name}: a collection of texts, as in .*['\"]") as caught:
            make(name, bad)
        assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize("name", GIVEN)
def test_a_collection_of_any_kind_is_read_once(make, name):
    for kind in (list, tuple, iter, lambda members: dict.fromkeys(members).keys()):
        make(name, kind(GIVEN[name][0]))


@pytest.mark.parametrize("audience", [[AUDIENCE], (AUDIENCE,), {AUDIENCE}, AUDIENCE.encode(), None, 7])
def test_the_audience_is_one_text(issuer, audience):
    Verifier(issuer.url, AUDIENCE)
    with pytest.raises(TypeError, match=r"^audience: one text"):
        Verifier(issuer.url, audience)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_credentials_are_two_texts(make_verifier, count):
    with pytest.raises(ValueError, match=r'^introspection: two texts, as in \("client-id", "secret"\)$'):
        make_verifier(introspection=["the-api", "a-secret", "more"][:count])


@pytest.mark.parametrize("scopes", ["write read", ["write", "read"], {"read", "write"}, iter(["read", "write"])])
def test_scopes_are_a_text_with_spaces_or_a_collection(verifier, scopes):
    gate = Gate(verifier, scopes=scopes)
    assert json.loads(gate.metadata())["scopes_supported"] == ["read", "write"]


def test_an_error_that_a_view_raises_takes_scopes_as_a_text(verifier):
    error = VerificationError("insufficient_scope", "only with both", scopes="write read")
    assert 'scope="read write"' in Gate(verifier).refusal(error).headers["WWW-Authenticate"]


def test_scopes_of_another_type_are_refused_before_any_request(verifier):
    from authserver_resource.django import require_token
    from authserver_resource.flask import Api

    gate = Gate(verifier)

    def view():
        """Stands for a view whose decorator lacks its parentheses."""

    for takes_scopes in (
        Api(gate).require,
        require_token,
        lambda scopes: AccessTokenMiddleware(None, gate, scopes=scopes),
        lambda scopes: Gate(verifier, scopes=scopes),
    ):
        takes_scopes("read")
        for bad in (view, None, b"read", ["read", None]):
            with pytest.raises(TypeError, match=r'^scopes: a collection of texts, as in \["read", "write"\]$'):
                takes_scopes(bad)
