"""Measure what the README claims and print it: `python -m benchmarks [--quick] [PART ...]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import (
    cost,
    devices,
    importing,
    lists,
    machine,
    memory,
    revocation,
    revocation_acts,
    simulation,
    startup,
    storm,
    verification,
)
from tests.support import postgres_programs as programs
from tests.support.postgres import HOW, Cluster

PARTS = ("cost", "memory", "startup", "storm", "verification", "revocation", "lists", "import", "simulation")

_CHART = Path("docs/images/false-sign-outs.svg")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="few requests and one round: a look, not a measurement")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = arguments.parts or PARTS
    if "simulation" in parts:
        _simulate(quick=arguments.quick)
    if set(parts) - {"simulation"}:
        _measure(parts, quick=arguments.quick)
    return 0


def _measure(parts: Sequence[str], *, quick: bool) -> None:
    with _cluster() as cluster:
        print(machine.describe(cluster.binaries if cluster else None))
        if "cost" in parts:
            print(
                f"\nCPU time of one request in ms: user and system time of the server's process tree ({cost.CONNECTIONS}"
                " keep-alive connections, 2 workers), and of PostgreSQL's. Window 0: every refresh rotates.\n"
            )
            rounds, scale = (1, 0.25) if quick else (3, 1.0)
            _table(cost.TITLES, map(cost.row, cost.measure(cluster, rounds=rounds, scale=scale)))
        if "memory" in parts:
            print("\nMemory in MiB: of imports in fresh processes, step by step, and of an idle worker.\n")
            _table(memory.TITLES, memory.measure(cluster))
        if "startup" in parts:
            print("\nSeconds from `make run` on an existing environment and database to the first answer.\n")
            _table(startup.TITLES, startup.measure(1 if quick else 3))
        if "storm" in parts:
            print(f"\nRefreshes while people sign in; {storm.PROMISE}.\n")
            _table(storm.TITLES, storm.measure(cluster, seconds=3 if quick else 15))
        if "verification" in parts:
            print("\nCPU time of an API for one access token, the same ES256 tokens for all.\n")
            tokens, rounds = (100, 2) if quick else (500, 5)
            _table(verification.TITLES, verification.measure(tokens, rounds))
        if "revocation" in parts:
            print("\nFrom the answer of /revoke to the first refusal.\n")
            ttls, times = ((2,), 5) if quick else ((8, 2), 20)
            _table(revocation.TITLES, revocation.measure(ttls, times))
            print("\nEach act once, with the default ttl of 8 s.\n")
            _table(revocation_acts.TITLES, revocation_acts.measure())
        if "lists" in parts:
            print("\nStatus lists.\n")
            _table(lists.TITLES, lists.measure(cluster))
        if "import" in parts:
            print(
                "\nUsers imported by one command, with a hash each. Memory is of the command, with all that it imports.\n"
            )
            _table(importing.TITLES, importing.measure(cluster, many=10_000 if quick else 100_000))


def _simulate(*, quick: bool) -> None:
    counted, refreshes = simulation.sign_outs(quick=quick)
    print(
        f"\nFalse sign-outs a device and day (and in {devices.DAYS} days) on networks that lose answers;"
        f" a device refreshes {refreshes:.0f} times a day.\n"
    )
    _table(simulation.TITLES, simulation.rows(counted))
    print(
        "\nThieves of a refresh token: the share that is let in at all; when half of them are found out, counted from the"
        " first use; when nine of ten are; the share that never is.\n"
    )
    _table(simulation.THIEF_TITLES, simulation.thief_rows(simulation.thefts(quick=quick)))
    if not quick:
        _CHART.parent.mkdir(parents=True, exist_ok=True)
        _CHART.write_text(simulation.chart(counted))
        print(f"\nThe first table as a chart: {_CHART}")


@contextmanager
def _cluster() -> Iterator[Cluster | None]:
    """Start a throw-away PostgreSQL cluster. Without PostgreSQL print a warning and yield None."""
    try:
        cluster = Cluster(programs.newest())
    except programs.Unavailable as reason:
        print(f"NOT MEASURED on PostgreSQL: {reason}; {HOW}\n", file=sys.stderr)
        yield None
        return
    try:
        yield cluster
    finally:
        cluster.remove()


def _table(titles: list[str], rows: Iterable[list[str]]) -> None:
    """Print a Markdown table, each row as soon as it is known."""
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
