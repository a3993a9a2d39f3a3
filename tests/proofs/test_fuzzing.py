"""Mutated requests to every endpoint of a live server: clear errors, no failure, no growth, and nothing changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
from pydantic import SecretStr

from authserver.app import create_app
from authserver.settings.values import MetricsSettings
from benchmarks.processes import uss_mib
from tests.support.fuzz_material import METRICS_TOKEN, HonestClient, MaterialMaker
from tests.support.fuzz_requests import Endpoint, Requests, endpoints
from tests.support.fuzz_values import Fuzz
from tests.support.fuzz_wire import Verdicts, Wire
from tests.support.proof import Proof
from tests.support.server import LiveServer
from tests.support.setup import Setup, make_setup
from tests.support.snapshot import contents

SENDERS = 4
#: MiB that a worker may gain after the warm-up, in caches that fill up to their bounds.
GROWTH = 16
#: After so many requests to each endpoint there is new material: the requests use it up.
ROUNDS = 40


def test_fuzzing(proof: Proof, tmp_path: Path):
    """Mutated requests to every endpoint get a clear error and change nothing."""
    for kind in ("postgresql", "sqlite"):
        setup = make_setup(kind, tmp_path / kind)
        try:
            setup.an_api()
            fuzz(proof, setup)
        finally:
            setup.close()


def fuzz(proof: Proof, setup: Setup) -> None:
    settings = {"AUTHSERVER_METRICS__TOKEN": METRICS_TOKEN, "AUTHSERVER_CACHES__MAX_AGE": "0.1"}
    server = LiveServer(setup, **settings).start()
    http = server.http()
    try:
        campaign = Campaign(proof, server, http)
        honest = HonestClient(setup, http)
        # Strangers' requests change nothing. Those with credentials may do what these allow, by chance.
        before = rows(setup)
        verdicts = campaign.run(has_authority=False)
        assert sorted(before ^ rows(setup)) == []
        verdicts.add(campaign.run(has_authority=True))
        assert honest.goes_on()
        workers = server.worker_pids()
        sizes = [uss_mib(worker) for worker in workers]
        verdicts.add(campaign.run(has_authority=False))
        verdicts.add(campaign.run(has_authority=True))
        assert server.worker_pids() == workers  # none died
        grown = max(uss_mib(worker) - size for worker, size in zip(workers, sizes, strict=True))
        assert honest.goes_on()
    finally:
        http.close()
        server.stop()
    log = server.log.read_text()
    assert verdicts.failures == [], f"{len(verdicts.failures)} failures:\n" + "\n".join(verdicts.failures[:20])
    assert "Traceback" not in log, log[max(0, log.index("Traceback") - 1000) :][:9000]
    assert grown < GROWTH
    proof.figure(f"{setup.kind}: endpoints, requests", f"{len(campaign.targets)}, {verdicts.sent:,}")
    proof.figure(
        f"{setup.kind}: answers by status", ", ".join(f"{n}: {many:,}" for n, many in sorted(verdicts.statuses.items()))
    )
    proof.figure(f"{setup.kind}: slowest answer", f"{verdicts.slowest * 1000:.0f} ms")
    proof.figure(f"{setup.kind}: a worker grew at most by", f"{grown:.1f} MiB")


def rows(setup: Setup) -> set[str]:
    """All rows, but for what the housekeeping notes, and the last uses of secrets and visits."""
    setup.sql("UPDATE clients SET secret_used_at = NULL")
    setup.sql("UPDATE visits SET last_used_at = opened_at, address = NULL, user_agent = NULL")
    tables = contents(setup)
    return {f"{name}: {row!r}" for name in tables.keys() - {"leases", "activity"} for row in tables[name]}


class Campaign:
    """Sends mutated requests to every endpoint of a server, from several connections at once."""

    def __init__(self, proof: Proof, server: LiveServer, http: httpx.Client) -> None:
        self._proof = proof
        self._server = server
        self._maker = MaterialMaker(server, http)
        self._strangers = self._maker.make()
        self.targets = endpoints_of(server.setup)

    def run(self, *, has_authority: bool) -> Verdicts:
        """Send a quarter of the requests."""
        total, left = Verdicts(), self._proof.amount(24, 2500)
        while left > 0:
            material = self._maker.make() if has_authority else self._strangers
            makers = [
                Requests(Fuzz(Random(self._proof.random.randrange(2**32))), material, has_authority=has_authority)
                for _ in range(SENDERS)
            ]
            with ThreadPoolExecutor(SENDERS) as pool:
                for verdicts in pool.map(self._send, makers, [min(ROUNDS, left) // SENDERS] * SENDERS):
                    total.add(verdicts)
            left -= ROUNDS
        return total

    def _send(self, requests: Requests, rounds: int) -> Verdicts:
        """Send so many requests to each endpoint, or fewer in the short form to the many pages and routes of the admin API."""
        wire = Wire(self._server.port)
        for number in range(rounds):
            for place, target in enumerate(self.targets):
                if self._proof.full or not target.is_page or (number + place) % 16 == 0:
                    wire.send(requests.make(target), target.about)
        wire.close()
        return wire.verdicts


def endpoints_of(setup: Setup) -> list[Endpoint]:
    """All endpoints of an application with these settings."""
    app = create_app(setup.with_settings(metrics=MetricsSettings(token=SecretStr(METRICS_TOKEN))))
    app.extensions["authserver"].database.dispose()
    return endpoints(app)
