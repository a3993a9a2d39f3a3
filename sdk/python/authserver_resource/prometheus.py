"""Prometheus counters: `Verifier(…, counters=PrometheusCounters())`."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter

from authserver_resource.errors import CODES


class PrometheusCounters:
    """`authserver_resource_verifications_total{outcome}`: "ok", or the code of the error."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        counter = Counter(
            "authserver_resource_verifications", "Access tokens verified, by outcome.", ["outcome"], registry=registry
        )
        # Looked up once: every outcome is there from the start, so that a rate has something to start from.
        self._counts = {outcome: counter.labels(outcome) for outcome in ["ok", *CODES]}

    def verified(self, outcome: str) -> None:
        self._counts[outcome].inc()
