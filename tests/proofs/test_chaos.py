"""Promises 1, 2, 7 and 8 while everything around the server breaks, one thing at a time."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.chaos_clients import LINGERS, Chaos, Clients
from tests.support.chaos_faults import DISK_FULL, DISK_FULL_FOR_LOG, FAULTS, HARMLESS, LARGE
from tests.support.chaos_history import Act, Fault, Rules, Seen, check
from tests.support.chaos_place import Place, a_place
from tests.support.proof import Proof
from tests.support.wsgi_server import wait_for

pytestmark = [pytest.mark.postgresql, pytest.mark.measures]

NODES, CLIENTS, THIEVES = 2, 24, 2
#: Seconds; the most that the settings allow. A client that lost an answer repeats it within the window by the database's
#: clock, if that clock is not stepped forward by as much.
WINDOW = 300
#: Seconds for which requests may be put off after a fault. In the full form the next fault often begins later than that.
RECOVERY = 2.0
#: Seconds of silence of the database in the whole run: the window may be longer by that.
SILENCE = 900
RULES = Rules(WINDOW, shorter=2 * LARGE, longer=2 * LARGE + SILENCE, recovery=RECOVERY, lingers=LINGERS)
#: Seconds by which a session is made older, so that its predecessor is outside of the window in any case.
AGE = WINDOW + int(RULES.longer) + 60


@pytest.fixture
def place(proof: Proof, tmp_path: Path) -> Iterator[Place]:
    with a_place(tmp_path, proof.random, NODES) as made:
        yield made


def schedule(proof: Proof, place: Place) -> Iterator[tuple[str, float]]:
    """Kinds of faults in any order, each for some seconds: a third of them, or in the full form all, again and again."""
    kinds = sorted((FAULTS | HARMLESS).keys() - (set() if place.has_small_disk else {DISK_FULL, DISK_FULL_FOR_LOG}))
    until = time.monotonic() + proof.amount(0, 600)
    for number in itertools.count():
        for kind in proof.random.sample(kinds, proof.amount(len(kinds) // 3, len(kinds))):
            if number and time.monotonic() > until:
                return
            yield kind, proof.random.uniform(0.5, proof.amount(1, 8))


def test_chaos(proof: Proof, place: Place) -> None:
    """Chaos: nodes, connections, disk, clocks and the database broken one after the other under clients and thieves."""
    random.seed(proof.seed)
    app = place.setup.an_app(public=True, retry_window=WINDOW)
    chaos = Chaos([node.front.port for node in place.nodes], place.setup, app, AGE)
    clients = Clients(chaos, CLIENTS, THIEVES)
    faults: list[Fault] = []
    recoveries: dict[str, list[float]] = defaultdict(list)
    with clients.working():
        for kind, seconds in schedule(proof, place):
            began = time.monotonic()
            with (FAULTS | HARMLESS)[kind](place):
                time.sleep(seconds)
            ended = time.monotonic()
            faults.append(Fault(kind, began, ended))
            wait_for(lambda: clients.served_since(ended))  # noqa: B023
            recoveries[kind].append(time.monotonic() - ended)
            time.sleep(proof.random.uniform(0, proof.amount(0, 4)))
    if not place.has_small_disk:
        proof.figure(DISK_FULL, "left out: this account may not mount a file system")
    judged = check(chaos.history, [one for one in faults if one.kind in FAULTS], RULES)
    figures(proof, chaos.history, faults, recoveries)
    proof.figure("replays by thieves outside of the window: refused, session ended", str(judged.reuses))
    proof.figure("replays by thieves within the window: the same successor", str(judged.retries))
    assert not judged.problems, "\n".join(judged.problems)
    broken = {0, 503} & {seen.status for seen in chaos.history}
    assert len(broken) >= proof.amount(1, 2), "nothing broke"
    assert judged.reuses > 0
    assert judged.retries > 0
    assert "Traceback" not in place.logs, place.logs[place.logs.index("Traceback") :][:3000]


def figures(proof: Proof, history: list[Seen], faults: list[Fault], recoveries: dict[str, list[float]]) -> None:
    requests = [seen for seen in history if seen.act is not Act.AGE]
    statuses = Counter(seen.status for seen in requests)
    proof.figure(
        "requests answered; refused; 503; without a whole answer",
        f"{statuses[200]}; {statuses[400]}; {statuses[503]}; {statuses[0]}",
    )
    proof.figure("sign-ins; sign-outs", "; ".join(str(answered(requests, act)) for act in (Act.SIGN_IN, Act.SIGN_OUT)))
    outages = longest_outages(requests, faults)
    for kind, count in sorted(Counter(fault.kind for fault in faults).items()):
        longest = max(fault.ended - fault.began for fault in faults if fault.kind == kind)
        proof.figure(
            f"{kind}: times; longest; longest outage that a client saw; all served again after at most",
            f"{count}; {longest:.1f} s; {outages[kind]:.1f} s; {max(recoveries[kind]):.1f} s",
        )


def answered(requests: list[Seen], act: Act) -> int:
    return sum(seen.act is act and seen.status == 200 for seen in requests)


def longest_outages(requests: list[Seen], faults: list[Fault]) -> dict[str, float]:
    """By kind of fault, the longest time from a request that was put off to the client's next answer."""
    outages: dict[str, float] = defaultdict(float)
    honest = sorted((seen for seen in requests if not seen.by_thief), key=lambda seen: (seen.who, seen.began))
    for _, mine in groupby(honest, key=lambda seen: seen.who):
        first: Seen | None = None
        for seen in mine:
            if seen.status in (0, 503):
                first = first or seen
            elif first is not None:
                causes = [fault for fault in faults if fault.covers(first, RECOVERY)]
                if causes:
                    kind = max(causes, key=lambda fault: fault.began).kind
                    outages[kind] = max(outages[kind], seen.ended - first.began)
                first = None
    return outages
