"""What the public is told about a refusal. The texts are constant, so that they do not give the precise reason away."""

from __future__ import annotations

from enum import Enum


class Public(Enum):
    """An OAuth error code (RFC 6749 section 5.2) and its constant text."""

    REQUEST = ("invalid_request", "The request is malformed.")
    TOO_LARGE = ("invalid_request", "The request body is too large.")
    MISSING = ("invalid_request", "A required parameter is missing.")
    PARAMETER = ("invalid_request", "A parameter has a value that it may not have.")
    AUTHENTICATIONS = ("invalid_request", "More than one client authentication was sent.")
    ORIGIN = ("invalid_request", "The request comes from an origin that may not send it.")
    SESSION = ("invalid_request", "There is no such session.")
    CLIENT = ("invalid_client", "Client authentication failed.")
    GRANT_TYPE = ("unsupported_grant_type", "The grant type is not supported.")
    GRANT = ("unauthorized_client", "The client may not use this grant type.")
    USER = ("invalid_grant", "The user name or password is wrong.")
    REFRESH_TOKEN = ("invalid_grant", "The refresh token is invalid, expired, revoked or was issued to another client.")
    TARGET = ("invalid_target", "The resource is unknown, or may not be asked for here.")
    SCOPE = ("invalid_scope", "The scope is invalid, unknown or may not be asked for here.")
    SCOPES = (
        "invalid_scope",
        "The scopes belong to several APIs: send one resource parameter for each API of the token.",
    )
    SCOPE_OF_RESOURCE = ("invalid_scope", "A scope does not belong to the requested resource.")
    ACCESS_TOKEN = ("invalid_token", "The access token is missing, invalid, expired or not for this address.")
    ACCESS_TOKEN_SCOPE = ("insufficient_scope", "The access token lacks the scope `sessions`.")
    LATER = ("temporarily_unavailable", "The server cannot answer now. Try again later.")
    SERVER = ("server_error", "The server failed.")

    def __init__(self, error: str, text: str) -> None:
        self.error = error
        self.text = text
