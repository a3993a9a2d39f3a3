"""Keycloak's credential of a realm export: an object of JSON with two texts in it that are JSON again."""

from __future__ import annotations

import json
from typing import Any

from authserver.passwords.imported import form

_ARGON2_VERSIONS = {"1.0": "16", "1.3": "19"}


def translate(text: str) -> str:
    """The credential as a PHC string.

    Raises:
        UnusableHash: it is no credential of a password, or its parts are not as Keycloak writes them.
    """
    credential = _object(text)
    if credential.get("type", "password") != "password":
        raise form.UnusableHash("it is a credential of Keycloak, but not of the type password")
    secret, data = _object(credential.get("secretData")), _object(credential.get("credentialData"))
    algorithm, iterations = str(data.get("algorithm")), _number(data.get("hashIterations"))
    salt, value = (str(secret.get(name, "")).rstrip("=") for name in ("salt", "value"))
    if algorithm.startswith("pbkdf2"):
        return f"${algorithm}$i={iterations}${salt}${value}"
    if algorithm == "argon2":
        given = {name: values[0] for name, values in data.get("additionalParameters", {}).items() if values}
        kind, version = given.get("type"), _ARGON2_VERSIONS.get(str(given.get("version")))
        costs = f"m={_number(given.get('memory'))},t={iterations},p={_number(given.get('parallelism'))}"
        return f"$argon2{kind}$v={version}${costs}${salt}${value}"
    raise form.UnusableHash("its algorithm of Keycloak is not known here; known are pbkdf2 and argon2")


def _object(text: object) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise form.UnusableHash(
            "it is JSON, but no credential as a realm export of Keycloak has it, with secretData and credentialData"
        )
    return found


def _number(value: object) -> str:
    """A number of at most ten digits. The reader of the family says what is wrong with another one."""
    return str(value)[:11]
