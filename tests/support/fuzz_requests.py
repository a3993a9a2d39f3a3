"""Mutated requests for every endpoint of the application, found in its own list of routes.

A request begins as one that a client, a browser or an administrator would send. A *stranger's* request has a flaw that no
later change can heal: a secret that differs in many characters, a broken token, a visit without its form token as pages of
other sites have, no visit. So it must change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from flask import Flask

from authserver.admin_api.route import PREFIX, Route
from authserver.admin_api.routes import ROUTES
from authserver.clients.grants import GRANTS
from tests.support.fuzz_bodies import FORM, JSON, Pairs, document, form, lines
from tests.support.fuzz_headers import headers, unframed
from tests.support.fuzz_material import METRICS_TOKEN, Material
from tests.support.fuzz_values import Fuzz

_METHODS = (
    b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"get", b"G\xc9T", b"X" * 99,
)  # fmt: skip
_QUERY = (
    b"client", b"client_id", b"audience", b"user", b"user_id", b"session_id", b"limit", b"cursor", b"after", b"before",
    b"since", b"until", b"q", b"role", b"event", b"actor", b"subject", b"state", b"kind", b"next", b"scope", b"span",
    b"gone", b"at_once", b"dry_run", b"reference", b"enabled", b"search", b"", b"\xff",
)  # fmt: skip
_ID_OF = {b"client": "client_id", b"audience": "audience"}
_VARIABLE = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and method of the application; of the token endpoint also a grant. `about` is what the report says."""

    about: str
    method: str
    rule: str
    grant: str | None = None

    @property
    def is_page(self) -> bool:
        """Whether it is a page, or a route of the admin API."""
        return self.rule.startswith(("/admin", "/account"))


@dataclass(frozen=True, slots=True)
class FuzzedRequest:
    """The bytes of a request. Where they are not surely one whole request, `is_framed` is False."""

    data: bytes
    method: bytes
    is_framed: bool


def endpoints(app: Flask) -> list[Endpoint]:
    """Every route with each of its methods, and the token endpoint once for each grant.

    HEAD and the OPTIONS that Flask adds to routes come as mutated methods.
    """
    found = []
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        for method in sorted(methods - {"HEAD", "OPTIONS"} or methods):
            if rule.endpoint == "token":
                found += [Endpoint(f"POST /token {grant}", "POST", rule.rule, grant) for grant in GRANTS]
            else:
                found.append(Endpoint(f"{method} {rule.rule}", method, rule.rule))
    return found


class Requests:
    """Makes requests for endpoints. `has_authority`: with genuine credentials; the others are strangers'."""

    def __init__(self, fuzz: Fuzz, material: Material, *, has_authority: bool) -> None:
        self._fuzz = fuzz
        self._material = material
        self._has_authority = has_authority
        self._forbidden: list[bytes] = []  # what would heal the present stranger's request
        self._bodies: dict[tuple[str, str], Route] = {
            (route.method, PREFIX + route.rule): route for route in ROUTES if route.takes_body
        }

    def make(self, endpoint: Endpoint) -> FuzzedRequest:
        """A request. Where a change has healed a stranger's request by chance, another one is made."""
        while True:
            request = self._make(endpoint)
            if self._has_authority or not any(token in request.data for token in self._forbidden):
                return request

    def _make(self, endpoint: Endpoint) -> FuzzedRequest:
        fuzz = self._fuzz
        self._forbidden = [self._material.admin_token]
        fields: Pairs = [(b"Host", self._material.issuer.partition(b"//")[2])]
        body = self._body(endpoint, fields)
        if body or endpoint.method in ("POST", "PUT", "PATCH"):
            fields.append((b"Content-Length", b"%d" % len(body)))
        headers(fuzz, fields)
        method = fuzz.random.choice(_METHODS) if fuzz.chance(0.08) else endpoint.method.encode()
        line = method + b" " + self._target(endpoint) + b" HTTP/1.1\r\n"
        if fuzz.chance(0.06):
            return FuzzedRequest(unframed(fuzz, line, fields, body), method, is_framed=False)
        data = line + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n" + body
        return FuzzedRequest(data, method, is_framed=_is_framed(line, fields, body))

    def _target(self, endpoint: Endpoint) -> bytes:
        fuzz = self._fuzz

        def fill(found: re.Match[str]) -> str:
            known = self._material.ids.get(found[2], [])
            value = fuzz.random.choice(known) if known and fuzz.chance(0.8) else fuzz.nasty()
            return quote_from_bytes(value, safe="" if fuzz.chance(0.8) else "/%?#:")

        target = _VARIABLE.sub(fill, endpoint.rule).encode()
        about = re.match(r"/admin/(client|api)s/", endpoint.rule)
        if about and fuzz.chance(0.7):
            name = {"client": b"client", "api": b"audience"}[about[1]]
            target += b"?" + name + b"=" + fuzz.escaped(fuzz.random.choice(self._material.ids[_ID_OF[name]]))
        elif fuzz.chance(0.3):
            target += b"?" + fuzz.escaped(fuzz.random.choice(_QUERY)) + b"=" + fuzz.escaped(fuzz.nasty())
            target += b"&" + fuzz.nasty() if fuzz.chance(0.2) else b""
        while fuzz.chance(0.12):
            target = fuzz.edited(target)
        if fuzz.chance(0.02):
            target = fuzz.random.choice(
                (b"*", b"http://evil" + target, b"//evil" + target, target * 60, b"/" * 9000, b"")
            )
        return target

    def _body(self, endpoint: Endpoint, fields: Pairs) -> bytes:
        if endpoint.rule.startswith(f"{PREFIX}/"):
            return self._admin_body(endpoint, fields)
        if endpoint.rule.startswith(("/admin", "/account")):
            return self._page_body(endpoint, fields)
        if endpoint.rule == "/metrics" and self._has_authority:
            fields.append((b"Authorization", b"Bearer " + METRICS_TOKEN.encode()))
        if endpoint.rule.startswith("/sessions"):
            self._forbidden = self._material.access_tokens
            fields.append((b"Authorization", b"Bearer " + self._token(self._material.access_tokens)))
        return self._oauth_body(endpoint, fields) if endpoint.method == "POST" else b""

    def _oauth_body(self, endpoint: Endpoint, fields: Pairs) -> bytes:
        fuzz, material = self._fuzz, self._material
        # A stranger has either no right secret or no right token. With the right secret and a token that is not right, the
        # request gets further.
        knows_secret = self._has_authority or (fuzz.chance(0.5) and endpoint.grant != "client_credentials")
        secret = material.secret if knows_secret else fuzz.other_secret(material.secret)
        tokens = [*material.refresh_tokens, *material.access_tokens]
        token = fuzz.random.choice(tokens)
        if knows_secret and (not self._has_authority or fuzz.chance(0.5)):
            token = fuzz.broken_token(token)
        password = material.password if self._has_authority else fuzz.other_secret(material.password)
        by_grant: Mapping[str | None, Pairs] = {
            "password": [(b"username", material.username), (b"password", password), (b"device_name", b"a phone")],
            "refresh_token": [(b"refresh_token", token)],
            None: [
                (b"token", token),
                (b"token_type_hint", fuzz.random.choice((b"refresh_token", b"access_token", b"x"))),
            ],
        }
        pairs = list(by_grant.get(endpoint.grant, []))
        if endpoint.grant is not None:
            pairs.insert(0, (b"grant_type", endpoint.grant.encode()))
            if fuzz.chance(0.4):
                pairs.append((b"scope", fuzz.random.choice((b"read", b"read write", b"openid", fuzz.nasty()))))
                pairs.append((b"resource", fuzz.random.choice((b"https://api.example.com", fuzz.nasty()))))
        if fuzz.chance(0.6):
            fields.append((b"Authorization", fuzz.basic(material.client_id, secret)))
        else:
            pairs += [(b"client_id", material.client_id), (b"client_secret", secret)]
        fields.append((b"Content-Type", FORM))
        self._forbidden = tokens if knows_secret else []
        return form(fuzz, pairs)

    def _page_body(self, endpoint: Endpoint, fields: Pairs) -> bytes:
        fuzz, material = self._fuzz, self._material
        has_visit = self._has_authority or fuzz.chance(0.5)
        visit = material.visit if has_visit else fuzz.broken_token(material.visit)
        self._forbidden = [material.form_token if has_visit else material.visit]
        fields.append((b"Cookie", material.cookies.replace(material.visit, visit)))
        fields.append((b"Sec-Fetch-Site", b"same-origin"))
        if endpoint.method != "POST":
            return b""
        fields += [(b"Origin", material.issuer), (b"Content-Type", FORM)]
        # Seldom a right sign-out: the requests after it have no visit any more.
        knows_token = self._has_authority and (not endpoint.rule.endswith("/sign-out") or fuzz.chance(0.1))
        form_token = material.form_token if knows_token else fuzz.broken_token(material.form_token)
        address = re.compile(_VARIABLE.sub("[^/]+", endpoint.rule))
        forms = [fields for found, fields in material.forms.items() if address.fullmatch(found)]
        fields_of_form = fuzz.random.choice(forms or list(material.forms.values()))
        nasty = fuzz.random.choice((0, 0.05, 0.4))
        pairs = [(name, fuzz.nasty() if fuzz.chance(nasty) else value) for name, value in fields_of_form]
        pairs = [(b"csrf_token", form_token), *(pair for pair in pairs if pair[0] != b"csrf_token")]
        if not forms:
            pairs += [(b"login", material.username), (b"password", fuzz.other_secret(material.password))]
        return form(fuzz, pairs)

    def _admin_body(self, endpoint: Endpoint, fields: Pairs) -> bytes:
        fuzz = self._fuzz
        if self._has_authority or fuzz.chance(0.8):
            fields.append((b"Authorization", b"Bearer " + self._token([self._material.admin_token])))
        if fuzz.chance(0.3):
            fields.append((b"If-Match", fuzz.random.choice((b"*", b'"a"', b'W/"a-gzip"', fuzz.nasty()))))
        if fuzz.chance(0.1):
            fields.append((b"Idempotency-Key", fuzz.nasty()))
        route = self._bodies.get((endpoint.method, endpoint.rule))
        if route is None:
            return document(fuzz, ()) if fuzz.chance(0.1) else b""
        media_type = fuzz.random.choice(route.body_types).encode()
        fields.append((b"Content-Type", media_type if fuzz.chance(0.95) else JSON))
        if media_type in (b"text/csv", b"application/jsonl"):
            return lines(fuzz, media_type)
        return document(fuzz, tuple(route.body.model_fields) if route.body else ())

    def _token(self, genuine: list[bytes]) -> bytes:
        token = self._fuzz.random.choice(genuine)
        return token if self._has_authority else self._fuzz.broken_token(token)


def _is_framed(line: bytes, fields: Pairs, body: bytes) -> bool:
    """Whether the server sees one whole request: no line end within a line, and one length, which is right."""
    texts = [line[:-2], *(part for pair in fields for part in pair)]
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    other = {b"transfer-encoding", b"connection", b"upgrade", b"expect"} & {name.strip().lower() for name, _ in fields}
    return (
        not other
        and not any(b"\r" in text or b"\n" in text for text in texts)
        and lengths == ([b"%d" % len(body)] if lengths or body else [])
    )
