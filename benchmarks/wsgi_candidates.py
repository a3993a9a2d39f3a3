"""The servers that wsgi_servers.py compares. Each serves the same small application until it is killed."""

import asyncio
import io
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from flask import Flask, request

WORKERS, THREADS, SLOW_THREADS = 2, 16, 8


def make_app() -> Flask:
    """Answer like a token endpoint without work. /slow holds a thread as a sign-in does, and only so many at once."""
    app = Flask("benchmark")
    sign_ins = threading.BoundedSemaphore(SLOW_THREADS)
    forever = threading.Event()

    @app.post("/token")
    def token() -> dict[str, str]:
        return {"access_token": "a" * 600, "token_type": "Bearer", "refresh_token": request.form["refresh_token"]}

    @app.get("/jwks")
    def jwks() -> dict[str, str]:
        return {"keys": "k" * 400}

    @app.get("/slow")
    def slow() -> tuple[str, int]:
        if not sign_ins.acquire(blocking=False):
            return "busy", 503
        try:
            forever.wait(60)
            return "done", 200
        finally:
            sign_ins.release()

    return app


def prefork(serve: Callable[[socket.socket], None], port: int) -> None:
    """Run a server of a single process in WORKERS forks that share one listening socket."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=serve, args=(listener,)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    signal.signal(signal.SIGTERM, lambda *_: [process.terminate() for process in processes])
    for process in processes:
        process.join()


def serve_waitress(port: int) -> None:
    def worker(listener: socket.socket) -> None:
        import waitress

        waitress.serve(
            make_app(), sockets=[listener], threads=THREADS, connection_limit=5000, asyncore_use_poll=True, _quiet=True
        )

    prefork(worker, port)


def serve_cheroot(port: int) -> None:
    def worker(listener: socket.socket) -> None:
        from cheroot.wsgi import Server

        server = Server(("127.0.0.1", port), make_app(), numthreads=THREADS, request_queue_size=1024)
        server.bind = lambda *_args, **_kwargs: setattr(server, "socket", listener)  # type: ignore[method-assign]
        server.prepare()
        server.serve()

    prefork(worker, port)


def serve_gunicorn(port: int) -> None:
    options = ["--threads", str(THREADS), "--worker-class", "gthread", "--keep-alive", "60", "--log-level", "error"]
    sys.argv = [
        "gunicorn",
        "--workers",
        str(WORKERS),
        "--bind",
        f"127.0.0.1:{port}",
        *options,
        "wsgi_candidates:make_app()",
    ]
    from gunicorn.app.wsgiapp import run

    run()


def serve_granian_wsgi(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "wsgi_candidates:make_app", address="127.0.0.1", port=port, interface=Interfaces.WSGI, factory=True,
        workers=WORKERS, blocking_threads=THREADS, backpressure=5000, log_enabled=False,
    ).serve()  # fmt: skip


def serve_granian_rsgi(port: int) -> None:
    """Granian's event loop reads the whole body. Only then a thread of our pool runs the WSGI app and answers."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces

    Granian(
        "wsgi_candidates:make_rsgi", address="127.0.0.1", port=port, interface=Interfaces.RSGI, factory=True,
        workers=WORKERS, backpressure=5000, log_enabled=False, http=HTTPModes.http1, websockets=False,
    ).serve()  # fmt: skip


def environ_of(method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "", "SERVER_NAME": "a",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False, "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    for name, value in headers:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ


def call(app: Any, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    answer: list[Any] = []
    parts = app(environ, lambda status, headers, _exc_info=None: answer.extend((status, headers)))
    return int(answer[0][:3]), answer[1], b"".join(parts)


def make_rsgi() -> Any:
    app, pool = make_app(), ThreadPoolExecutor(THREADS)

    async def rsgi(scope: Any, protocol: Any) -> None:
        body = await protocol()
        environ = environ_of(scope.method, scope.path, scope.query_string, scope.headers.items(), body)
        answer = await asyncio.get_running_loop().run_in_executor(pool, call, app, environ)
        protocol.response_bytes(*answer)

    return rsgi


def make_asgi() -> Any:
    app, pool = make_app(), ThreadPoolExecutor(THREADS)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        environ = environ_of(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
        status, out, content = await asyncio.get_running_loop().run_in_executor(pool, call, app, environ)
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in out]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})

    return asgi


def serve_uvicorn(port: int, parser: Literal["httptools", "h11"] = "httptools") -> None:
    import uvicorn

    uvicorn.run(
        "wsgi_candidates:make_asgi", factory=True, host="127.0.0.1", port=port, workers=WORKERS, log_level="error",
        http=parser, lifespan="off", timeout_keep_alive=60, proxy_headers=False, server_header=False,
    )  # fmt: skip


def serve_hypercorn(port: int) -> None:
    from hypercorn.config import Config
    from hypercorn.run import run

    config = Config()
    config.application_path, config.bind, config.workers = "wsgi_candidates:make_asgi()", [f"127.0.0.1:{port}"], WORKERS
    config.loglevel, config.worker_class, config.keep_alive_timeout = "CRITICAL", "uvloop", 60
    run(config)


def serve_authserver(port: int) -> None:
    """Our own server: uvicorn with a shared socket, limits and a thread pool (authserver/serving/)."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from authserver.serving.processes import run

    run(make_app, host="127.0.0.1", port=port, workers=WORKERS, threads=THREADS, max_body_bytes=65536)


CANDIDATES: dict[str, tuple[Callable[[int], None], tuple[str, ...]]] = {
    "waitress prefork": (serve_waitress, ("waitress",)),
    "gunicorn gthread": (serve_gunicorn, ("gunicorn",)),
    "cheroot prefork": (serve_cheroot, ("cheroot",)),
    "granian wsgi": (serve_granian_wsgi, ("granian",)),
    "granian rsgi": (serve_granian_rsgi, ("granian",)),
    "uvicorn plain": (serve_uvicorn, ("uvicorn", "httptools", "uvloop")),
    "uvicorn h11": (lambda port: serve_uvicorn(port, "h11"), ("uvicorn", "h11", "uvloop")),
    "hypercorn": (serve_hypercorn, ("hypercorn", "h11", "uvloop")),
    "authserver": (serve_authserver, ("uvicorn", "httptools", "uvloop")),
}
