"""What all frameworks share: find the token, verify it, answer as RFC 6750 and RFC 9728 say.

An adapter translates its framework's request into `method` and `header`, and `Refusal` into its response.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authserver_resource.errors import VerificationError
from authserver_resource.texts import scope_names, texts
from authserver_resource.token import AccessToken
from authserver_resource.verifier import Verifier

#: Returns a header of the request by its lower-case name, or None.
HeaderOf = Callable[[str], str | None]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_PUBLIC = {
    "invalid_token": "The access token is missing, expired, revoked or not for this API.",
    "insufficient_scope": "The access token does not have the scope that this takes.",
    "invalid_request": "The request comes from an origin that may not use the cookie.",
    "temporarily_unavailable": "Access tokens cannot be checked at the moment.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer: status, headers and a JSON body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Gate:
    """Lets requests in. An API has one.

    Args:
        verifier: Decides about a token.
        cookie: A cookie that may carry the token instead of the header, if app and API share one origin. Its name
            begins with `__Host-`, so no sibling host can plant it. Any name is allowed only with an issuer on http.
        origins: The origins that may use unsafe methods with the cookie; by default the audience's own.
        scopes: The scopes of this API, for its metadata.

    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        cookie: str | None = None,
        origins: Iterable[str] = (),
        scopes: str | Iterable[str] = (),
    ) -> None:
        if cookie is not None and not cookie.startswith("__Host-") and verifier.issuer.startswith("https://"):
            raise ValueError("cookie: a name that begins with __Host-")
        self.verifier = verifier
        self._cookie = cookie
        self._scopes = sorted(scope_names(scopes))
        parts = urlsplit(verifier.audience)
        is_address = parts.scheme in {"http", "https"} and bool(parts.netloc)
        own = [f"{parts.scheme}://{parts.netloc}"] if is_address else []
        self._origins = frozenset(texts("origins", origins, '["https://app.example.com"]') or own)
        #: The path of the metadata (RFC 9728 section 3); None if the audience is no address.
        self.metadata_path = _WELL_KNOWN + parts.path.rstrip("/") if is_address else None
        self._metadata_url = f"{parts.scheme}://{parts.netloc}{self.metadata_path}" if is_address else None

    def admit(self, method: str, header: HeaderOf, scopes: str | Iterable[str] = ()) -> AccessToken:
        """Verify the token of a request. Raises VerificationError; `refusal` makes its answer."""
        return self.verifier.verify(self.find(method, header), scopes)

    async def admit_async(self, method: str, header: HeaderOf, scopes: str | Iterable[str] = ()) -> AccessToken:
        """Do as `admit` does, and never block the event loop."""
        return await self.verifier.verify_async(self.find(method, header), scopes)

    def find(self, method: str, header: HeaderOf) -> str:
        """Return the request's token, unverified. A token in the query is not read: queries end up in logs."""
        kind, _, token = (header("authorization") or "").partition(" ")
        if kind.lower() == "bearer" and token.strip():
            return token.strip()
        cookie = None if self._cookie is None else self._token_from_cookie(header("cookie"))
        if cookie is not None:
            self._check_origin(method, header)
            return cookie
        raise VerificationError("missing_token", "the request carries no access token")

    def refusal(self, error: VerificationError) -> Refusal:
        """Return the answer to an error. Its challenge names the metadata; its body says the same for programs."""
        name = {401: "invalid_token", 503: "temporarily_unavailable"}.get(error.status)
        name = name or ("insufficient_scope" if error.code == "insufficient_scope" else "invalid_request")
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        if error.status == 503:
            headers["Retry-After"] = "5"
        else:
            headers["WWW-Authenticate"] = self._challenge(name, error)
        body = {"error": name, "error_description": _PUBLIC[name], "code": error.code}
        return Refusal(error.status, headers, json.dumps(body).encode())

    def metadata(self) -> bytes:
        """Return the protected-resource metadata (RFC 9728 section 2)."""
        document: dict[str, Any] = {
            "resource": self.verifier.audience,
            "authorization_servers": [self.verifier.issuer],
            "bearer_methods_supported": ["header"],
        }
        if self._scopes:
            document["scopes_supported"] = self._scopes
        return json.dumps(document).encode()

    def _challenge(self, name: str, error: VerificationError) -> str:
        parameters = {}
        if error.code != "missing_token":  # RFC 6750 section 3.1: a request without a token gets no error
            parameters = {"error": name, "error_description": _PUBLIC[name]}
        if error.scopes:
            parameters["scope"] = " ".join(sorted(error.scopes))
        if self._metadata_url is not None:
            parameters["resource_metadata"] = self._metadata_url
        return " ".join(["Bearer", ", ".join(f'{key}="{value}"' for key, value in parameters.items())]).strip()

    def _token_from_cookie(self, header: str | None) -> str | None:
        for pair in (header or "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie:
                return value or None
        return None

    def _check_origin(self, method: str, header: HeaderOf) -> None:
        # A browser sends a cookie by itself, so a foreign page could act with it. An unsafe method must therefore come
        # from an allowed origin. A header needs no such check, because no foreign page can set it.
        if method.upper() in _SAFE_METHODS:
            return
        site = header("sec-fetch-site")
        if header("origin") not in self._origins or site not in (None, "same-origin", "same-site"):
            raise VerificationError("origin", "a cookie with an unsafe method needs an origin that is allowed")
