"""What the metrics of live nodes say about their clean-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import httpx

from tests.support.server import LiveServer

#: The nodes are started with it as `metrics.token`.
METRICS_TOKEN = "a-token-of-the-metrics"


def pruned(servers: Sequence[LiveServer], table: str) -> float:
    """How many rows of a table the nodes have deleted."""
    rows = _samples(servers, "authserver_pruned_rows_total")
    return sum(value for labels, value in rows if f'table="{table}"' in labels)


def batches_within(servers: Sequence[LiveServer]) -> Counter[float]:
    """How many batches of all tables held their locks for at most so many seconds; infinity stands for all batches."""
    within = Counter[float]()
    for labels, count in _samples(servers, "authserver_prune_batch_seconds_bucket"):
        within[float(labels.partition('le="')[2].partition('"')[0])] += int(count)
    return within


def _samples(servers: Sequence[LiveServer], name: str) -> list[tuple[str, float]]:
    """The samples of a metric on all nodes: labels and value."""
    token = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    texts = [httpx.get(f"{server.url}/metrics", headers=token).text for server in servers]
    lines = [line for text in texts for line in text.splitlines() if line.startswith(f"{name}{{")]
    return [(line.rpartition("}")[0], float(line.rpartition(" ")[2])) for line in lines]
