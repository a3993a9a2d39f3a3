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
        # Every outcome exists from the start with the value 0, because a rate needs a first value.
        self._counts = {outcome: counter.labels(outcome) for outcome in ["ok", *CODES]}

    def verified(self, outcome: str) -> None:
        self._counts[outcome].inc()
