"""A server of its own process around authserver.serving, and a client that speaks bytes."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds until a test gives up; not a measure of speed
SCRIPT = """
import os, resource, signal, sys, threading, time
from pathlib import Path
from flask import Flask, request
from prometheus_client import Counter
from authserver.serving.processes import run

release = Path(sys.argv[1])
early = Counter("early", "requests, by a metric that was there before the server")

def make_app():
    if "--fail" in sys.argv:
        raise ValueError("no such database")
    if "--die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess
    counter = Counter("seen", "requests", registry=CollectorRegistry())
    sign_ins = threading.BoundedSemaphore(4)
    app = Flask("test")

    @app.post("/large")
    @app.post("/token")
    def token():
        counter.inc()
        early.inc()
        return {"size": len(request.get_data()), "peer": request.remote_addr, "pid": os.getpid()}

    @app.get("/jwks")
    def jwks():
        return {"forwarded": request.headers.get("X-Forwarded-For")}

    @app.get("/large")
    def large():
        return "x" * 1_500_000

    @app.get("/metrics")
    def metrics():
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)

    @app.get("/slow")
    def slow():
        if not sign_ins.acquire(blocking=False):
            return "busy", 503
        with Path(f"{release}.{time.monotonic_ns()}").open("w"):
            pass
        while not release.exists():
            time.sleep(0.02)
        sign_ins.release()
        return "done"

    @app.get("/wait")
    def wait():
        with Path(f"{release}.{time.monotonic_ns()}").open("w"):
            pass
        while not release.exists():
            time.sleep(0.02)
        return "done"

    @app.route("/seen/<path:path>", methods=["GET", "HEAD", "POST", "TRACE"])
    def seen(path):
        path = path.encode("ascii", "backslashreplace").decode()
        line = f"{request.method} {path} {len(request.get_data())}"
        with release.with_name("seen").open("a") as log:
            print(line, file=log)
        return line, {"X-Seen": line}

    @app.get("/broken")
    def broken():
        raise RuntimeError("broken")

    return app

if "--few-files" in sys.argv:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
port = int(sys.argv[2])
host = next((word.partition("=")[2] for word in sys.argv if word.startswith("--host=")), "127.0.0.1")
timeout, grace = (2.0, 2) if "--impatient" in sys.argv else (120.0, 120)
workers = 1 if "--alone" in sys.argv else 2
sys.exit(run(make_app, host=host, port=port, workers=workers, threads=8, max_body_bytes=1000,
             large_bodies={"/large": 100_000}, request_timeout=timeout,
             grace=grace, on_ready=lambda address: print(address, os.environ["PROMETHEUS_MULTIPROC_DIR"])))
"""


class Server:
    """The script above in its own process."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.release = folder / "release"
        self.clients: list[socket.socket] = []
        (folder / "serve.py").write_text(SCRIPT)
        command = [sys.executable, str(folder / "serve.py"), str(self.release), str(port), *arguments]
        pipe = subprocess.PIPE
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        *self.urls, metrics = self.process.stdout.readline().replace(",", " ").split()
        self.port, self.metrics = int(self.urls[0].rpartition(":")[2]), Path(metrics)

    def connect_and_read_little(self, data: bytes) -> socket.socket:
        """The kernel takes little of the answers, so the server has to keep them."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        client.sendall(data)
        self.clients.append(client)
        return client

    def connect(self, data: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection((host, self.port), timeout=PATIENCE)
        client.sendall(data)
        self.clients.append(client)
        return client

    def ask(self, data: bytes) -> str:
        """Send bytes on a new connection and return the head and body of one answer."""
        with self.connect(data) as client:
            return answer(client)

    def seen(self) -> list[str]:
        """Method, path and size of the body of each request below /seen/ since the last call."""
        log = self.release.with_name("seen")
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def end(self) -> tuple[int, str]:
        _out, err = self.process.communicate(timeout=PATIENCE * 2)
        for client in self.clients:
            client.close()
        return self.process.returncode, err


def answer(client: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(65536)
        if not part:
            return data.decode()
        data += part
    length = re.search(rb"(?i)content-length: (\d+)", data)
    missing = int(length[1]) - len(data.partition(b"\r\n\r\n")[2]) if length else 0
    while missing > 0:
        part = client.recv(65536)
        data, missing = data + part, missing - len(part)
    return data.decode()


def everything(client: socket.socket) -> str:
    """Read until the server closes."""
    data = b""
    while part := client.recv(65536):
        data += part
    return data.decode()


def request(line: str, body: str = "", headers: str = "") -> bytes:
    return f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode()


REFRESH = request("POST /token", "grant_type=refresh_token")
CHUNKED = "POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE_BYTE = b"1\r\nx\r\n0\r\n"  # a whole body; trailers follow, or an empty line
BEFORE_TRAILERS = CHUNKED.encode() + ONE_BYTE
HALF = request("POST /token", "x" * 100)[:-50]


def refuses_connections(server: Server) -> bool:
    try:
        server.connect()
    except ConnectionError:
        return True
    return False


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    server = Server(folder, *arguments)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.release.touch()
        if server.process.poll() is None:
            server.process.terminate()
        server.end()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
