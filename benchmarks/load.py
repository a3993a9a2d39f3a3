"""The load. `Load(target, ...)` starts a process for it, so its CPU time is not counted as the server's.

Run as a module this is that process: it reads orders, one JSON line each, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Self

from benchmarks.kinds import Kind, SignIn, Target, WrongAnswer, make


@dataclass(frozen=True, slots=True)
class Result:
    """Sorted latencies in seconds, those of allowed refusals (429, 503) among them, and the number of verified tokens."""

    latencies: list[float]
    refusals: list[float]
    verified: int

    @property
    def refused(self) -> int:
        return len(self.refusals)

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the requests did not exceed."""
        return at_share(self.latencies, share) * 1000


def at_share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Load:
    """Keep-alive connections to one server, held by another process. Leaving its `with` closes it."""

    def __init__(self, target: Target, connections: int) -> None:
        command = [sys.executable, "-m", "benchmarks.load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self._order(target=asdict(target), connections=connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes its input, which ends it

    def run(self, kind: str, requests: int) -> Result:
        """Send so many requests over all connections, each request as soon as the last is answered."""
        return Result(**self._order(kind=kind, requests=requests))

    def paced(self, kind: str, rate: float, seconds: float) -> Result:
        """Send requests at a rate that does not wait for answers. Latency counts from when a request was due."""
        return Result(**self._order(kind=kind, rate=rate, seconds=seconds))

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline() or '{"failed": "the load process ended"}')
        if "failed" in answer:
            raise SystemExit(f"benchmarks: {answer['failed']}")
        return dict(answer)


class _Connection:
    """One connection with the state of its kinds. A session stays from one order to the next."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket = socket.create_connection(("127.0.0.1", target.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._kinds: dict[str, Kind] = {}
        self.latencies: list[float] = []
        self.refusals: list[float] = []

    def kind(self, name: str) -> Kind:
        if name not in self._kinds:
            token = self._sign_in() if name == "refresh" else ""
            self._kinds[name] = make(name, self._target, token)
        return self._kinds[name]

    def ask(self, kind: Kind, *, due: float | None = None, may_refuse: bool = False) -> None:
        started = time.perf_counter() if due is None else due
        status, body = self._exchange(kind.next())
        took = time.perf_counter() - started
        self.latencies.append(took)
        if may_refuse and status in {429, 503}:
            self.refusals.append(took)
        else:
            kind.take(status, body)

    def _sign_in(self) -> str:
        signing_in = SignIn(self._target)
        while not signing_in.refresh_token:
            status, body = self._exchange(signing_in.next())
            if status in {429, 503}:
                time.sleep(0.1)  # the hasher's queue is shorter than the number of connections
            else:
                signing_in.take(status, body)
        return signing_in.refresh_token

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._received()
        head = answer[:end].lower()
        at = head.index(b"content-length:") + 15
        length = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        while len(answer) < length:
            answer += self._received()
        return int(head[9:12]), answer[end + 4 :]

    def _received(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise WrongAnswer("the server closed the connection")
        return data


class _Connections:
    """All connections of this process."""

    def __init__(self, target: dict[str, Any], connections: int) -> None:
        self._target = Target(**target)
        self._pool = ThreadPoolExecutor(connections)
        self._connections = [_Connection(self._target) for _ in range(connections)]

    def run(self, name: str, requests: int) -> dict[str, Any]:
        each = max(1, requests // len(self._connections))

        def one(connection: _Connection, kind: Kind) -> None:
            for _ in range(each):
                connection.ask(kind)

        return self._run_on_all(name, one)

    def paced(self, name: str, rate: float, seconds: float) -> dict[str, Any]:
        lock, count, total = threading.Lock(), 0, int(rate * seconds)
        start = time.perf_counter() + 0.05

        def one(connection: _Connection, kind: Kind) -> None:
            nonlocal count
            while True:
                with lock:
                    mine, count = count, count + 1
                if mine >= total:
                    return
                due = start + mine / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                if time.perf_counter() > start + seconds:
                    return  # the time is over: a request that was not sent has no latency
                connection.ask(kind, due=due, may_refuse=name in {"password", "sign in and out"})

        return self._run_on_all(name, one)

    def _run_on_all(self, name: str, one: Any) -> dict[str, Any]:
        kinds = list(self._pool.map(lambda connection: connection.kind(name), self._connections))
        for connection in self._connections:
            connection.latencies, connection.refusals = [], []
        list(self._pool.map(one, self._connections, kinds))
        return {
            "latencies": sorted(latency for connection in self._connections for latency in connection.latencies),
            "refusals": sorted(refusal for connection in self._connections for refusal in connection.refusals),
            "verified": sum(_verify(self._target, kind) for kind in kinds),
        }


def _verify(target: Target, kind: Kind) -> int:
    """Check the tokens that were kept as an API does it: signature by the JWKS, times, audience."""
    sample = kind.sample()
    if not sample:
        return 0
    import jwt

    keys = jwt.PyJWKClient(f"http://127.0.0.1:{target.port}{target.paths['jwks']}")
    for token in sample:
        key = keys.get_signing_key_from_jwt(token) if "kid" in jwt.get_unverified_header(token) else None
        chosen = key or keys.get_signing_keys()[0]
        jwt.decode(token, chosen.key, algorithms=["ES256"], audience=target.audience)
    return len(sample)


def main() -> None:
    connections: _Connections | None = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if connections is None:
                connections, answer = _Connections(**order), {}
            elif "rate" in order:
                answer = connections.paced(order["kind"], order["rate"], order["seconds"])
            else:
                answer = connections.run(order["kind"], order["requests"])
        except (WrongAnswer, OSError) as problem:
            answer = {"failed": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
