"""The tokens of an answer, and the session that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from authserver.keys.setup import open_vault
from authserver.refusals.reasons import Reason
from authserver.refusals.references import References
from tests.support.oauth import claims
from tests.support.setup import Setup


@dataclass(frozen=True)
class TokenAnswer:
    """A good token response, taken apart."""

    refresh_token: str
    access_token: str
    body: dict[str, Any]

    @property
    def claims(self) -> dict[str, Any]:
        """Of the access token."""
        return claims(self.access_token)

    @property
    def session_id(self) -> str:
        session_id: str = self.claims["sid"]
        return session_id


def token_answer(response: httpx.Response) -> TokenAnswer:
    """Take a response apart, which has to be a success."""
    assert response.status_code == 200, response.text
    body = response.json()
    return TokenAnswer(body["refresh_token"], body["access_token"], body)


def reason(setup: Setup, response: httpx.Response) -> Reason:
    """The precise reason of a refusal, from its sealed reference."""
    key = open_vault(setup.settings).reference_key()
    return References(key).open(response.json()["reference"]).reason
