"""Compare WSGI servers for authserver: can slow clients stop a refresh, and what does one request cost?

Usage: python benchmarks/wsgi_servers.py [--requests N] [CANDIDATE ...]. A candidate that is not installed is skipped.
"""

import argparse
import importlib.metadata
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wsgi_candidates import CANDIDATES, THREADS, WORKERS

CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")
FORM = b"grant_type=refresh_token&client_id=demo&refresh_token=" + b"x" * 120
TOKEN = (
    b"POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    + str(len(FORM)).encode()
    + b"\r\n\r\n"
    + FORM
)
JWKS = b"GET /jwks HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
HALF = TOKEN[: -len(FORM) // 2]


def process_tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in process_tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    fields = [Path(f"/proc/{member}/stat").read_text().rpartition(") ")[2].split() for member in process_tree(pid)]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def connect(port: int, data: bytes = b"", timeout: float = 10.0) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(data)
    return client


def exchange(client: socket.socket, data: bytes) -> bool:
    """Send one request and read its whole answer. Return true for a 200."""
    client.sendall(data)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = client.recv(65536)
        if not part:
            return False
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += client.recv(65536)
    return head.startswith(b"HTTP/1.1 200")


def load(port: int, data: bytes, requests: int) -> None:
    def one() -> None:
        client = connect(port)
        for _ in range(requests // CONNECTIONS):
            if not exchange(client, data):  # some busy servers close a kept connection
                client.close()
                client = connect(port)
                if not exchange(client, data):
                    raise SystemExit("a request failed twice")
        client.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for task in [pool.submit(one) for _ in range(CONNECTIONS)]:
            task.result()


def cost(pid: int, port: int, data: bytes, requests: int) -> float:
    """Return the CPU milliseconds of one request in all processes of the server: the best of four rounds."""
    rounds = []
    for _ in range(4):
        before = cpu_seconds(pid)
        load(port, data, requests // 4)
        rounds.append((cpu_seconds(pid) - before) / (requests // 4 // CONNECTIONS * CONNECTIONS) * 1000)
    return min(rounds)


def quick(port: int, tries: int) -> str:
    """Refresh on new connections. Return how long the slowest took."""
    slowest = 0.0
    for _ in range(tries):
        started = time.perf_counter()
        try:
            with connect(port, timeout=3) as client:
                if not exchange(client, TOKEN):
                    return "refused"
        except TimeoutError:
            return "STOPPED"
        slowest = max(slowest, time.perf_counter() - started)
    return f"{slowest * 1000:.0f} ms"


def measure(name: str, requests: int) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, "--serve", name, "--port", str(port)]
    server = subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)
    clients: list[socket.socket] = []
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with connect(port) as client:
                    if exchange(client, JWKS):
                        break
            except OSError:
                if time.monotonic() > deadline:
                    return [name, *["no start"] * 7]
        load(port, TOKEN, 800)
        token, keys = cost(server.pid, port, TOKEN, requests), cost(server.pid, port, JWKS, requests)
        memory = max(megabytes(pid) for pid in process_tree(server.pid)[1:])
        clients = [connect(port, HALF) for _ in range(100)]
        half = quick(port, 20)
        for _ in range(200):
            client = connect(port)
            clients.append(client)
            client.settimeout(1)
            try:
                exchange(client, JWKS)
            except TimeoutError:
                break
        idle = quick(port, 20)
        crowded = cost(server.pid, port, TOKEN, requests // 2) if idle.endswith("ms") else float("nan")
        clients += [connect(port, SLOW) for _ in range(64)]
        busy = quick(port, 20)
        return [name, f"{token:.3f}", f"{keys:.3f}", f"{crowded:.3f}", f"{memory:.0f}", half, idle, busy]
    finally:
        for client in clients:
            client.close()
        for pid in reversed(process_tree(server.pid)):
            os.kill(pid, signal.SIGKILL)
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candidates", nargs="*", metavar="CANDIDATE", help=", ".join(CANDIDATES))
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--serve", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        CANDIDATES[arguments.serve][0](arguments.port)
        return
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    print(
        f"{model.partition(': ')[2]}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
    print(f"{WORKERS} workers of {THREADS} threads, {CONNECTIONS} connections.", end=" ")
    print("CPU in ms a request, user and system time of the server's process tree.\n")
    titles = ["server", "version", "POST /token", "GET /jwks", "token + 300 idle", "MiB a worker"]
    titles += ["100 half-sent", "+ 200 idle", "+ slow threads"]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for name in arguments.candidates or CANDIDATES:
        try:
            versions = ", ".join(importlib.metadata.version(part) for part in CANDIDATES[name][1])
        except importlib.metadata.PackageNotFoundError as missing:
            print(f"| {name} | not installed: {missing} |")
            continue
        figures = measure(name, arguments.requests)
        print("| " + " | ".join([figures[0], versions, *figures[1:]]) + " |", flush=True)


if __name__ == "__main__":
    main()
