"""Measure what the README claims and print it: `python -m benchmarks [--quick] [PART ...]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from benchmarks import (
    cost,
    importing,
    lists,
    machine,
    memory,
    revocation,
    revocation_acts,
    startup,
    storm,
    verification,
)
from tests.support import postgres_programs as programs
from tests.support.postgres import HOW, Cluster

PARTS = ("cost", "memory", "startup", "storm", "verification", "revocation", "lists", "import")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="few requests and one round: a look, not a measurement")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = arguments.parts or PARTS
    with _cluster() as cluster:
        print(machine.describe(cluster.binaries if cluster else None))
        if "cost" in parts:
            print(
                f"\nCPU time of one request in ms: user and system time of the server's process tree ({cost.CONNECTIONS}"
                " keep-alive connections, 2 workers), and of PostgreSQL's. Window 0: every refresh rotates.\n"
            )
            rounds, scale = (1, 0.25) if arguments.quick else (3, 1.0)
            _table(cost.TITLES, map(cost.row, cost.measure(cluster, rounds=rounds, scale=scale)))
        if "memory" in parts:
            print("\nMemory in MiB: of imports in fresh processes, step by step, and of an idle worker.\n")
            _table(memory.TITLES, memory.measure(cluster))
        if "startup" in parts:
            print("\nSeconds from `make run` on an existing environment and database to the first answer.\n")
            _table(startup.TITLES, startup.measure(1 if arguments.quick else 3))
        if "storm" in parts:
            print(f"\nRefreshes while people sign in; {storm.PROMISE}.\n")
            _table(storm.TITLES, storm.measure(cluster, seconds=3 if arguments.quick else 15))
        if "verification" in parts:
            print("\nCPU time of an API for one access token, the same ES256 tokens for all.\n")
            tokens, rounds = (100, 2) if arguments.quick else (500, 5)
            _table(verification.TITLES, verification.measure(tokens, rounds))
        if "revocation" in parts:
            print("\nFrom the answer of /revoke to the first refusal.\n")
            ttls, times = ((2,), 5) if arguments.quick else ((8, 2), 20)
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
            _table(importing.TITLES, importing.measure(cluster, many=10_000 if arguments.quick else 100_000))
    return 0


@contextmanager
def _cluster() -> Iterator[Cluster | None]:
    """A PostgreSQL cluster of our own, or None with a loud line when there is none."""
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
    """Print each line as soon as it is known, in Markdown."""
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
