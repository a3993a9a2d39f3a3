"""The fixture of the proofs. `make prove` runs them in full, `make prove ARGS=--short` as CI does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgres_programs as programs
from tests.support.proof import Proof

#: Seconds that a proof in its full form may take.
_LONGEST = 7200


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the full forms take their time. pytest calls this with the tests of all folders."""
    if not config.getoption("--short"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(_LONGEST))


@pytest.fixture
def proof(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Proof]:
    """The form that was asked for. A proof that held prints its figures; the full form also writes them down."""
    name = request.node.originalname.removeprefix("test_")
    made = Proof(name, request.config.getoption("--seed"), full=not request.config.getoption("--short"))
    yield made
    with capsys.disabled():
        sys.stderr.write(f"\n{name}\n{made.report()}\n")  # which also reaches the terminal from a process of several
    if made.full and not request.session.testsfailed:
        title = (request.node.obj.__doc__ or name).strip().partition("\n")[0].rstrip(".")
        made.write(title, next(iter(programs.find_all()), None))
