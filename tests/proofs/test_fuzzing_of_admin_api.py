"""Requests by the OpenAPI document to the admin API, on PostgreSQL. `make test` runs a few on SQLite."""

from __future__ import annotations

from pathlib import Path

from tests.support.proof import Proof
from tests.support.schemathesis_run import check_admin_api
from tests.support.setup import make_setup


def test_fuzzing_of_admin_api(proof: Proof, tmp_path: Path):
    """No request that schemathesis generates makes the admin API fail or say what is not documented."""
    setup = make_setup("postgresql", tmp_path)
    try:
        setup.an_api()
        phases = "examples,coverage,fuzzing,stateful" if proof.full else "fuzzing"
        sent = check_admin_api(setup, examples=proof.amount(2, 1000), seed=proof.seed, phases=phases)
    finally:
        setup.close()
    proof.figure("requests by schemathesis", f"{sent:,}")
