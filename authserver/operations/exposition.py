"""GET /metrics in Prometheus' text format. It asks for a token, because the figures tell how busy sign-ins are.

Each of several workers writes its counts to files of its own, and the one that answers sums all of them.
"""

from __future__ import annotations

import hmac
import os

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import SecretStr


def register(app: Flask, token: SecretStr | None, base: str) -> None:
    """Add /metrics, at the root and below the issuer's path. Without a token in the settings it answers 404."""
    if token is None:
        return
    expected = f"Bearer {token.get_secret_value()}".encode()

    def exposition() -> Response:
        presented = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(presented, expected):
            return Response("", 401, {"WWW-Authenticate": 'Bearer realm="metrics"'})
        return Response(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)

    for prefix in {"", base}:
        app.add_url_rule(f"{prefix}/metrics", "metrics", exposition)


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
