"""A proof: one of the promises under load, in a short form for each change and in a full form (`make prove`).

Both forms run the same code with other amounts, and both have to hold. The full form writes what it measured into
`benchmarks/results`.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from benchmarks import machine

RESULTS = Path(__file__).parent.parent.parent / "benchmarks" / "results"


class Proof:
    """What a test of `tests/proofs` is given: its form, its seed, and a place for its figures."""

    def __init__(self, name: str, seed: int, *, full: bool) -> None:
        self.name = name
        self.seed = seed
        self.full = full
        self.random = random.Random(seed)  # the order of the attacks; no secret comes from it
        self._figures: list[tuple[str, str]] = []
        self._began = time.monotonic()

    def amount(self, short: int, full: int) -> int:
        """How many, or for how many seconds."""
        return full if self.full else short

    def figure(self, what: str, measured: str) -> None:
        """Note a figure. Say in `what` what is measured, with the unit in `measured`."""
        self._figures.append((what, measured))

    def report(self) -> str:
        """The figures as a table in Markdown."""
        rows = [f"| {what} | {measured} |" for what, measured in self._figures]
        return "\n".join(["| what | measured |", "|---|---|", *rows])

    def write(self, title: str, binaries: Path | None) -> None:
        """Write the report of the full form into `benchmarks/results`."""
        command = f"make prove ARGS='-k test_{self.name} --seed {self.seed}'"
        took = f"{time.monotonic() - self._began:.0f} s"
        text = f"# {title}\n\n{machine.describe(binaries)}\n\n`{command}`, which took {took}.\n\n{self.report()}\n"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name.replace('_', '-')}.md").write_text(text)
