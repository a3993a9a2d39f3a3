"""Changed input to every parser of bytes from outside, by hypothesis, and by atheris where it is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from tests.support.fuzz_parsers import PARSERS, Parser
from tests.support.fuzz_values import NASTY
from tests.support.proof import Proof
from tests.support.server import ROOT

#: Where to change, how many bytes to take out there, and what to put in.
_EDIT = st.tuples(st.integers(0, 400), st.integers(0, 20), st.sampled_from(NASTY) | st.binary(max_size=6))


def test_fuzzing_of_parsers(proof: Proof, tmp_path: Path):
    """Each parser raises nothing but what it may raise, whatever it reads."""
    inputs, runs = proof.amount(120, 20_000), 200_000
    has_atheris = proof.full and importlib.util.find_spec("atheris") is not None
    for parser in PARSERS:
        assert all(map(parser.read, parser.samples)), f"{parser.name}: a sample is refused, so changes prove nothing"
        by_hypothesis(parser, inputs, proof.seed)
        if has_atheris:
            by_atheris(parser, runs, proof.seed, tmp_path)
    proof.figure("parsers", f"{len(PARSERS)}")
    proof.figure("inputs for each, by hypothesis", f"{inputs:,}")
    proof.figure(
        "inputs for each, by atheris",
        f"{runs:,}, or those of a minute" if has_atheris else "not installed, or the short form",
    )


def by_hypothesis(parser: Parser, inputs: int, seed: int) -> None:
    changed = st.builds(edited, st.sampled_from(parser.samples), st.lists(_EDIT, max_size=8))

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=inputs, database=None, deadline=None)
    @hypothesis.given(st.binary(max_size=300) | changed)
    def read(data: bytes) -> None:
        parser.read(data)

    read()


def edited(sample: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, out, put_in in edits:
        at = place % (len(sample) + 1)
        sample = sample[:at] + put_in + sample[at + out :]
    return sample


def by_atheris(parser: Parser, runs: int, seed: int, folder: Path) -> None:
    corpus = folder / parser.name
    corpus.mkdir()
    command = [sys.executable, "-m", "tests.support.fuzz_atheris", parser.name, str(runs), str(seed), str(corpus)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "python"), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=600,
    )
    assert result.returncode == 0, f"{parser.name}: {result.stdout[-3000:]}\n{result.stderr[-3000:]}"
