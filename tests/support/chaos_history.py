"""What clients and thieves saw while faults happened, and an independent check of this record.

The check knows the rules of refresh tokens. It knows nothing of the server and reads no row and no token: which token
followed which is seen from the answers alone. Clients of one session never have two requests at once; thieves come at any
time. Late retries are off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

#: Of a session with a problem, so many events are told.
_TOLD = 8


class Act(StrEnum):
    """What was done. `AGE` makes the rotation of a session `seconds` older, as if the client had paused."""

    SIGN_IN = "sign-in"
    REFRESH = "refresh"
    SIGN_OUT = "sign-out"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request and its answer. `status` is 0 if no whole answer came. Times are of one monotonic clock.

    `error` is the code of a refusal, or the text of a 503. `session` is empty for a sign-in without tokens. `who` is the client, or the client whose token a thief has.
    """

    act: Act
    began: float
    ended: float
    session: str = ""
    presented: str = ""
    status: int = 200
    received: str = ""
    error: str = ""
    who: int = 0
    by_thief: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A time in which something was broken."""

    kind: str
    began: float
    ended: float

    def covers(self, seen: Seen, recovery: float) -> bool:
        return seen.began < self.ended + recovery and self.began < seen.ended


@dataclass(frozen=True, slots=True)
class Rules:
    """What was promised, in seconds.

    `shorter`, `longer`: by how much the retry window may differ from the time that passed, because the database's clock is
    stepped, and because the window does not pass while the database is away. `recovery`: for how long after a fault
    requests may be put off. `lingers`: for how long the server may still work at a request whose connection broke.
    """

    window: float
    shorter: float
    longer: float
    recovery: float
    lingers: float


@dataclass
class Judged:
    """The problems that were found, and how much there was to judge: a check that saw no theft proves nothing."""

    problems: list[str] = field(default_factory=list)
    reuses: int = 0  # replays outside of the window: each was refused and ended its session
    retries: int = 0  # replays within it: each was answered with the same successor


def check(history: Iterable[Seen], faults: Sequence[Fault], rules: Rules) -> Judged:
    """Replay the record, session by session."""
    judged = Judged()
    sessions: dict[str, list[Seen]] = defaultdict(list)
    for seen in sorted(history, key=lambda seen: seen.began):
        judged.problems.extend(_problems_of_answer(seen, faults, rules))
        sessions[seen.session].append(seen)
    sessions.pop("", None)
    for events in sessions.values():
        _Session(events, rules, judged).check()
    return judged


def _problems_of_answer(seen: Seen, faults: Sequence[Fault], rules: Rules) -> Iterator[str]:
    """Each answer by itself: no error but the two that a client may get, and 503 or no answer for a reason only."""
    refused = seen.status == 400 and seen.error == "invalid_grant" and seen.act is Act.REFRESH
    if seen.status not in (0, 200, 503) and not refused:
        yield f"a {seen.act} got {seen.status} {seen.error}".rstrip()
    if (
        seen.status in (0, 503)
        and seen.act is not Act.AGE
        and not any(fault.covers(seen, rules.recovery) for fault in faults)
    ):
        last = max((fault for fault in faults if fault.ended < seen.began), key=lambda fault: fault.ended, default=None)
        since = f"{seen.began - last.ended:.1f} s after {last.kind}" if last else "before any fault"
        yield f"a {seen.act} was put off {since}: {seen.status} {seen.error}".rstrip()


class _Session:
    """What happened to one session, in the order in which it began."""

    def __init__(self, events: list[Seen], rules: Rules, judged: Judged) -> None:
        self._events = events
        self._rules = rules
        self._judged = judged
        self._ages = [seen for seen in events if seen.act is Act.AGE]
        self._refreshes = [seen for seen in events if seen.act is Act.REFRESH]
        self._sign_outs = [seen for seen in events if seen.act is Act.SIGN_OUT]
        #: By token, the first answer with another token: the token was superseded before that came.
        self._rotations: dict[str, Seen] = {}
        for seen in sorted(self._refreshes, key=lambda seen: seen.ended):
            if seen.received and seen.received != seen.presented:
                self._rotations.setdefault(seen.presented, seen)
        self._reuses = [seen for seen in self._refreshes if seen.status == 400 and self._is_old(seen)]

    def check(self) -> None:
        for seen in self._refreshes:
            if seen.status == 200:
                self._check_answered(seen)
            elif seen.status == 400:
                self._check_refused(seen)

    def _check_answered(self, seen: Seen) -> None:
        rotation = self._rotations.get(seen.presented)
        if rotation is not None:
            under_way = rotation.ended >= seen.began
            if seen.received != rotation.received and not (under_way and seen.received == seen.presented):
                self._found("double spend: one token has two successors, or lives beside its successor", seen)
        if self._ended_before(seen, self._sign_outs):
            self._found("a token was accepted after its session was signed out", seen)
        if self._ended_before(seen, self._reuses):
            self._found("undetected reuse: a session outlived it", seen)
        if self._is_old(seen):
            self._found("undetected reuse: an old token was accepted", seen)
        elif seen.by_thief:
            self._judged.retries += 1

    def _check_refused(self, seen: Seen) -> None:
        """A refusal needs a cause: a sign-out, or a thief's token that was old by then or may have been."""
        replays = (one for one in self._refreshes if one.by_thief and one.status != 200 and self._may_be_old(one))
        if not any(cause.began < seen.ended for cause in (*self._sign_outs, *replays)):
            self._found("false sign-out", seen)
        elif self._is_old(seen):
            self._judged.reuses += 1

    @staticmethod
    def _ended_before(seen: Seen, ends: Iterable[Seen]) -> bool:
        return any(end.status in (200, 400) and end.ended < seen.began for end in ends)

    def _is_old(self, seen: Seen) -> bool:
        """Whether the presented token was surely superseded twice, or once and longer ago than the window."""
        rotation = self._rotations.get(seen.presented)
        if rotation is None or rotation.ended >= seen.began:
            return False  # not yet
        following = self._rotations.get(rotation.received)
        if following is not None and following.ended < seen.began:
            return True
        aged = self._aged(lambda age: rotation.ended < age.began and age.ended < seen.began and age.status == 200)
        return seen.began - rotation.ended + aged >= self._rules.window + self._rules.longer

    def _may_be_old(self, seen: Seen) -> bool:
        """Whether the presented token may have been superseded twice, or once and longer ago than the window."""
        rotation = self._rotations.get(seen.presented)
        if rotation is None:
            return True
        until = seen.ended if seen.status else seen.ended + self._rules.lingers
        if any(one.began < until and self._may_rotate(one, rotation.received) for one in self._refreshes):
            return True
        aged = self._aged(lambda age: rotation.began < age.ended and age.began < until)
        return until - rotation.began + aged >= self._rules.window - self._rules.shorter

    @staticmethod
    def _may_rotate(seen: Seen, token: str) -> bool:
        """Whether this request may have superseded the token: not one that was refused, nor one that kept it."""
        return seen.presented == token and seen.status != 400 and seen.received != token

    def _aged(self, counts: Callable[[Seen], bool]) -> float:
        return sum(age.seconds for age in self._ages if counts(age))

    def _found(self, what: str, seen: Seen) -> None:
        """Note a problem with what led to it: seconds before its answer, and the tokens by number."""
        tokens = {token: str(number) for number, token in enumerate(self._rotations)}

        def told(one: Seen) -> str:
            who, moved = "thief" if one.by_thief else "client", (one.presented, one.received)
            named = " to ".join(tokens.get(token, "newest") for token in moved if token)
            return f"{seen.ended - one.began:.2f} to {seen.ended - one.ended:.2f} {who} {one.act} {one.status} {named}"

        before = [one for one in self._events if one.began <= seen.ended][-_TOLD:]
        self._judged.problems.append("\n  ".join([what, *map(told, before)]))
