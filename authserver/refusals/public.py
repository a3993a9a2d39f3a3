"""What the public is told about a refusal. The texts are constant, so that they do not give the precise reason away.

A text says what to send where that is no secret. What the request itself named may stand behind it (`exceptions`).
"""

from __future__ import annotations

from enum import Enum


class Public(Enum):
    """An OAuth error code (RFC 6749 section 5.2) and its constant text."""

    REQUEST = ("invalid_request", "The request is malformed.")
    NO_FORM = (
        "invalid_request",
        "The body has to be a form. Send the parameters as application/x-www-form-urlencoded, with this Content-Type.",
    )
    CHARSET = (
        "invalid_request",
        "The form has to be UTF-8: leave charset out of the Content-Type, or set it to utf-8.",
    )
    ENCODING = ("invalid_request", "A name or value of the form is no percent-encoded UTF-8, or has a NUL character.")
    QUERY = (
        "invalid_request",
        "Send the parameters in the body of the request, not in the query string of its address.",
    )
    REPEATED = ("invalid_request", "Send each parameter once: one was sent again.")
    TOO_MANY = ("invalid_request", "The form has too many parameters.")
    TWO_TOKENS = ("invalid_request", "Send the token in the body or in the cookie: it was sent in both.")
    COOKIE_TWICE = ("invalid_request", "A cookie was sent with two values: clear the cookies of this site.")
    TOO_LARGE = ("invalid_request", "The request body is too large.")
    MISSING = ("invalid_request", "A required parameter is missing.")
    PARAMETER = ("invalid_request", "A parameter has a value that it may not have.")
    AUTHENTICATIONS = ("invalid_request", "More than one client authentication was sent.")
    ORIGIN = ("invalid_request", "The request comes from an origin that may not send it.")
    SESSION = ("invalid_request", "There is no such session.")
    CLIENT = ("invalid_client", "Client authentication failed.")
    GRANT_TYPE = (
        "unsupported_grant_type",
        "The grant type is not supported. The metadata document has all grant types.",
    )
    GRANT = ("unauthorized_client", "The client may not use this grant type.")
    USER = ("invalid_grant", "The user name or password is wrong.")
    REFRESH_TOKEN = ("invalid_grant", "The refresh token is invalid, expired, revoked or was issued to another client.")
    OTHER_CLIENT = ("invalid_grant", "The token was issued to another client.")
    TARGET = ("invalid_target", "The resource is unknown, or may not be asked for here.")
    SCOPE = ("invalid_scope", "The scope is invalid, unknown or may not be asked for here.")
    SCOPES = (
        "invalid_scope",
        "The scopes belong to several APIs: send one resource parameter for each API of the token.",
    )
    SCOPE_OF_RESOURCE = ("invalid_scope", "A scope does not belong to the requested resource.")
    LONG_TOKEN = ("invalid_scope", "The access token would be too long: ask for fewer scopes.")
    LONG_COOKIE = ("invalid_scope", "The access token would be too long for a cookie: ask for fewer scopes.")
    ACCESS_TOKEN = ("invalid_token", "The access token is missing, invalid, expired or not for this address.")
    ACCESS_TOKEN_SCOPE = ("insufficient_scope", "The access token lacks the scope `sessions`.")
    LATER = ("temporarily_unavailable", "The server cannot answer now. Try again later.")
    THROTTLED = (
        "temporarily_unavailable",
        "There were too many failed attempts. Wait as many seconds as Retry-After says, then try again.",
    )
    SERVER = ("server_error", "The server failed.")

    def __init__(self, error: str, text: str) -> None:
        self.error = error
        self.text = text
