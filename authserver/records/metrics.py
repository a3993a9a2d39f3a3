"""What is counted. `operations/exposition` serves it; with several workers the files of all of them are summed."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "authserver_requests_total",
    "Token and revocation requests by endpoint, grant type and outcome (ok, or the error code).",
    ("endpoint", "grant", "outcome"),
)
ROTATIONS = Counter(
    "authserver_rotations_total",
    "Refreshes by what became of the refresh token: rotated, kept, retried, retried_late, adopted, reused, from_the_future.",
    ("outcome",),
)
REFUSALS = Counter("authserver_refusals_total", "Refused requests by the check that failed.", ("reason",))
HASHING = Gauge(
    "authserver_hashing_queue", "Sign-ins that wait for a password check or run one.", multiprocess_mode="livesum"
)
HASHING_REFUSED = Counter(
    "authserver_hashing_refused_total", "Passwords that were not hashed because the queue was full."
)
BREACHED_FILES_UNREADABLE = Counter(
    "authserver_breached_files_unreadable_total",
    "New passwords that were not compared with the files of breached ones, because a file could not be read.",
)
TURNED_AWAY = Counter(
    "authserver_turned_away_total", "Requests answered with 503 because no thread of the worker was free for them."
)
THROTTLED = Counter(
    "authserver_throttled_total", "Attempts that a count of failures delays, by that count.", ("count",)
)
THROTTLE_STORE_AWAY = Gauge(
    "authserver_throttle_store_away",
    "Workers that count failed attempts for themselves, because the store of counts is away.",
    multiprocess_mode="livesum",
)
THROTTLE_STORE_FAILED = Counter(
    "authserver_throttle_store_failures_total",
    "How often a worker began to count for itself, by what the store of counts did.",
    ("reason",),
)
NOT_RECORDED = Counter(
    "authserver_not_recorded_total",
    "Refusals and counts that the database did not take (audit, throttle), and lines that could not be written (log).",
    ("where",),
)
PRUNED = Counter("authserver_pruned_rows_total", "Rows that the clean-up deleted, because they were old.", ("table",))
PRUNING = Histogram(
    "authserver_prune_batch_seconds",
    "How long the clean-up held the locks of one batch.",
    ("table",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
)


def note_batch(table: str, rows: int, seconds: float) -> None:
    """Count a batch of the clean-up."""
    PRUNED.labels(table).inc(rows)
    PRUNING.labels(table).observe(seconds)
