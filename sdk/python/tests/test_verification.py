"""Each rule for a token: a good token is accepted, and a token that breaks the rule is refused."""

import json

import pytest

from authserver_resource import CODES, Verifier

AUDIENCE = "https://api.example.com"


def test_a_good_token_comes_back_with_types(issuer, verifier):
    token = verifier.verify(issuer.token(auth_time=1_799_999_000, roles=["clerk"], jti="j"), scopes="read")
    assert (token.subject, token.client_id, token.id, token.session_id) == ("user-1", "app-1", "j", "session-1")
    assert token.scopes == {"read", "write"}
    assert token.audiences == {AUDIENCE}
    assert token.roles == {"clerk"}
    assert token.issued_at + 900 == token.expires_at
    assert token.auth_time == 1_799_999_000
    assert token.is_of_a_user
    assert token.claims["status"]["status_list"]["idx"] == 9


def test_a_token_cannot_be_changed_and_does_not_show_itself(issuer, verifier):
    token = verifier.verify(issuer.token())
    with pytest.raises(TypeError):
        token.claims["sub"] = "admin"
    with pytest.raises(AttributeError):
        token.subject = "admin"
    assert repr(token) == "AccessToken(subject='user-1', client_id='app-1', scopes=['read', 'write'])"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_each_algorithm_verifies_and_refuses_a_changed_payload(issuer, verifier, new_key, refused, algorithm):
    key = new_key("other", algorithm)
    issuer.published.append(key.jwk)
    head, _, signature = issuer.token(key=key).split(".")
    assert verifier.verify(issuer.token(key=key))
    with refused("signature"):
        verifier.verify(f"{head}.{issuer.token(sub='admin').split('.')[1]}.{signature}")


@pytest.mark.parametrize(
    ("code", "claims"),
    [
        ("expired", {"exp": 1_799_999_989}),
        ("expired", {"exp": float("nan")}),
        ("not_yet_valid", {"nbf": 1_800_000_011}),
        ("not_yet_valid", {"iat": 1_800_000_011}),
        ("issuer", {"iss": "https://evil.example.com"}),
        ("issuer", {"iss": None}),
        ("audience", {"aud": "https://api.example.com.evil.org"}),
        ("audience", {"aud": "xhttps://api.example.comx"}),
        ("audience", {"aud": ["https://other.example.com"]}),
        ("audience", {"aud": None}),
        ("claims", {"sub": None}),
        ("claims", {"sub": 7}),
        ("claims", {"client_id": None}),
        ("claims", {"jti": None}),
        ("claims", {"iat": None}),
        ("claims", {"exp": None}),
        ("claims", {"exp": "9999999999"}),
        ("claims", {"exp": True}),
        ("claims", {"nbf": "now"}),
        ("claims", {"scope": ["read"]}),
        ("claims", {"status": "fine"}),
        ("claims", {"status": {"status_list": {"idx": -1, "uri": "x"}}}),
        ("claims", {"status": {"status_list": {"idx": 1, "uri": "http://127.0.0.1:1/status/0"}}}),
        ("sender_constrained", {"cnf": {"jkt": "x"}}),
    ],
)
def test_a_token_with_wrong_claims_is_refused(issuer, verifier, refused, code, claims):
    with refused(code):
        verifier.verify(issuer.token(**claims))


@pytest.mark.parametrize(
    ("code", "header"),
    [
        ("type", {"typ": "JWT"}),
        ("type", {"typ": None}),
        ("type", {"typ": "statuslist+jwt"}),
        ("algorithm", {"alg": "none"}),
        ("algorithm", {"alg": "HS256"}),
        ("algorithm", {"alg": "ES384"}),
        ("algorithm", {"alg": ["ES256"]}),
        ("algorithm", {"alg": "RS256"}),  # an allowed algorithm, but not the one of this key
        ("critical", {"crit": ["exp"], "exp": 1}),
        ("critical", {"crit": []}),
        ("unknown_key", {"kid": "nobody"}),
        ("unknown_key", {"kid": None}),
        ("unknown_key", {"kid": ["first"]}),
    ],
)
def test_a_token_with_a_wrong_header_is_refused(issuer, verifier, refused, code, header):
    with refused(code):
        verifier.verify(issuer.token(header))


def test_the_media_type_may_be_written_in_full(issuer, verifier):
    assert verifier.verify(issuer.token({"typ": "application/AT+JWT"}))


def test_keys_that_a_token_brings_along_are_never_used_or_fetched(issuer, verifier, new_key, refused):
    mine = new_key("first")
    for header in ({"jwk": mine.jwk}, {"jku": issuer.url + "/mine"}, {"x5u": issuer.url + "/mine"}):
        with refused("signature"):
            verifier.verify(issuer.token(header, key=mine))
    assert issuer.count("/mine") == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: "a.b",
        lambda token: "...",
        lambda token: "é" + token,
        lambda token: token + "=",
        lambda token: token + ".x",
        lambda token: token[:-1] + "+",
        lambda token: "A" * 20_000,
        lambda token: token + "A" * 20_000,
        lambda token: "bm8." + token.split(".", 1)[1],
        lambda token: "W10." + token.split(".", 1)[1],
        lambda token: token.rpartition(".")[0],
    ],
)
def test_garbage_is_malformed(issuer, verifier, refused, spoil):
    with refused("malformed"):
        verifier.verify(spoil(issuer.token()))


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_signature_of_another_length_is_wrong(issuer, verifier, refused, length):
    signed = issuer.token().rpartition(".")[0]
    with refused("signature"):
        verifier.verify(signed + "." + ("A" * -(-length * 4 // 3)))


def test_a_scope_that_is_missing_is_named(issuer, verifier, refused):
    token = issuer.token(scope="read")
    assert verifier.verify(token, ["read"])
    for _ in range(2):  # once verified anew, once from memory
        with refused("insufficient_scope") as caught:
            verifier.verify(token, "read delete")
        assert caught.value.scopes == {"read", "delete"}
        assert caught.value.status == 403


def test_a_token_from_memory_still_expires(issuer, verifier, clock, refused):
    token = issuer.token()
    verifier.verify(token)
    clock.advance(909)
    verifier.verify(token)
    clock.advance(1)
    with refused("expired"):
        verifier.verify(token)


def test_a_token_whose_key_is_gone_is_refused_though_it_was_seen(issuer, verifier, clock, new_key, refused):
    token = issuer.token(exp=int(clock()) + 4000)
    verifier.verify(token)
    issuer.published[:] = [new_key("second").jwk]
    clock.advance(301)
    with refused("unknown_key"):
        verifier.verify(token)


def test_a_key_that_takes_the_place_of_another_makes_nothing_good_that_was_seen(
    issuer, verifier, clock, new_key, refused
):
    token = issuer.token(exp=int(clock()) + 4000)
    verifier.verify(token)
    issuer.published[:] = [new_key("first").jwk]
    clock.advance(301)
    with refused("signature"):
        verifier.verify(token)


def test_the_memory_is_bounded(issuer, make_verifier):
    verifier = make_verifier(cache_size=3)
    for _ in range(5):
        verifier.verify(issuer.token())
    assert len(verifier._verified) == 3


def test_nobody_fills_the_memory_of_headers_with_forgeries(issuer, verifier, new_key, refused):
    verifier.verify(issuer.token())
    for number in range(5):
        with refused("signature"):
            verifier.verify(issuer.token({"x": number}, key=new_key("first")))
    assert len(verifier._headers) == 1


def test_keys_that_cannot_be_right_are_passed_over(issuer, verifier, new_key, refused):
    good = issuer.published[0]
    off_the_curve = {**new_key("a").jwk, "x": good["x"]}
    others = [
        off_the_curve,
        {**new_key("b").jwk, "use": "enc"},
        {**new_key("c").jwk, "alg": "ES384"},
        {"kty": "oct", "k": "AAAA", "kid": "d", "alg": "HS256"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "e"},
        "nonsense",
    ]
    issuer.published[:] = [*others, good]
    assert verifier.verify(issuer.token())
    assert set(verifier._issuer.keys.value.keys) == {"first"}


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": "http://as.example.com"},
        {"issuer": "file:///etc/passwd"},
        {"issuer": "https://as.example.com?x"},
        {"audience": ""},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"leeway": 301},
        {"status": "maybe"},
    ],
)
def test_settings_that_are_unsafe_are_refused_at_once(settings):
    with pytest.raises(ValueError, match=":"):
        Verifier(**{"issuer": "https://as.example.com", "audience": AUDIENCE, **settings})


def test_codes_and_their_statuses_are_stable():
    assert json.dumps(CODES) == (
        '{"missing_token": 401, "malformed": 401, "type": 401, "algorithm": 401, "critical": 401, "unknown_key": 401, '
        '"signature": 401, "claims": 401, "issuer": 401, "audience": 401, "expired": 401, "not_yet_valid": 401, '
        '"sender_constrained": 401, "revoked": 401, "inactive": 401, "opaque": 401, "insufficient_scope": 403, '
        '"origin": 403, "keys_unavailable": 503, "status_unavailable": 503, "introspection_unavailable": 503}'
    )


def test_a_new_key_during_an_outage_is_not_the_tokens_fault(issuer, verifier, clock, new_key, refused):
    verifier.verify(issuer.token())
    key = new_key("second")
    issuer.published.append(key.jwk)
    issuer.stop()
    clock.advance(30)
    for _ in range(2):
        with refused("keys_unavailable") as caught:
            verifier.verify(issuer.token(key=key))
        assert caught.value.status == 503
    issuer.start()
    clock.advance(4)
    assert verifier.verify(issuer.token(key=key))
