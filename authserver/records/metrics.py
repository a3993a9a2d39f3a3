"""What is counted. `operations/exposition` serves it; with several workers the files of all of them are summed."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

REQUESTS = Counter(
    "authserver_requests_total",
    "Token and revocation requests by endpoint, grant type and outcome (ok, or the error code).",
    ("endpoint", "grant", "outcome"),
)
ROTATIONS = Counter(
    "authserver_rotations_total",
    "Refreshes by what became of the refresh token: rotated, kept, retried, retried_late, reused, from_the_future.",
    ("outcome",),
)
REFUSALS = Counter("authserver_refusals_total", "Refused requests by the check that failed.", ("reason",))
HASHING = Gauge(
    "authserver_hashing_queue", "Sign-ins that wait for a password check or run one.", multiprocess_mode="livesum"
)
HASHING_REFUSED = Counter("authserver_hashing_refused_total", "Sign-ins turned away because the queue was full.")
NOT_RECORDED = Counter(
    "authserver_not_recorded_total",
    "Refusals that the database did not take (audit), and lines that could not be written (log).",
    ("where",),
)
