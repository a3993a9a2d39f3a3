"""nginx, HAProxy and Caddy in front: each answer belongs to its request while one client attacks (RFC 9112 section 11.2).

The proxies keep connections to the server and use them for all clients.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_attacks import BEHIND, KINDS, SERVED, SMUGGLED
from tests.support.missing_parts import missing
from tests.support.ports import free_port
from tests.support.wsgi_server import PATIENCE, Server, everything, serving

INNOCENT = b"GET /seen/innocent-%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{}} {user}
http {{
  access_log off; {temporary}
  underscores_in_headers on; ignore_invalid_headers off;
  client_header_timeout 1s; client_body_timeout 1s; lingering_close off;
  upstream server {{ server 127.0.0.1:{server}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_request_buffering off; proxy_ignore_client_abort on; proxy_next_upstream off;
    }}
  }}
}}
"""
HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 1s
  timeout http-request 1s
  timeout server 30s
  http-reuse always
  retries 0
frontend proxy
  bind 127.0.0.1:{port}
  option accept-invalid-http-request
  default_backend server
backend server
  server only 127.0.0.1:{server} pool-max-conn 4
"""
CADDY = """
{{
  admin off
  auto_https off
  servers {{
    timeouts {{
      read_header 1s
      read_body 1s
      idle 1s
    }}
  }}
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{server} {{
    flush_interval -1
    lb_retries 0
  }}
}}
"""
PROXIES = {
    "nginx": (NGINX, ["nginx", "-p", "{folder}", "-c", "{file}", "-e", "{folder}/error.log"]),
    "haproxy": (HAPROXY, ["haproxy", "-db", "-f", "{file}"]),
    "caddy": (CADDY, ["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"]),
}


@pytest.fixture(scope="module", params=PROXIES)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """A server of one worker, and the port of a proxy in front of it."""
    kind: str = request.param
    if shutil.which(kind, path=f"{os.environ['PATH']}:/usr/sbin") is None:
        missing(kind, f"apt-get install {'nginx-light' if kind == 'nginx' else kind}")
    folder = tmp_path_factory.mktemp(kind)
    with serving(folder, "--alone") as server, _proxy(kind, folder, server.port) as port:
        yield server, port


def ask(port: int, data: bytes) -> list[str]:
    """Send all of it to the proxy and return which requests the answers of the application are for."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
        contextlib.suppress(ConnectionError),
    ):
        client.sendall(data)
        return re.findall(r"(?im)^x-seen: (.*?)\r$", everything(client))
    return []


@pytest.mark.slow
def test_no_answer_goes_astray(proxied: tuple[Server, int]) -> None:
    server, port = proxied
    honest = {kind.name: kind.filled(kind.honest) for kind in KINDS}
    for name, data in honest.items():
        assert [line.split()[1] for line in ask(port, data + BEHIND)] == ["first", "behind"], name
    server.seen()
    attacks = [kind.filled(attack) for kind in KINDS for attack in kind.attacks if len(attack) < 16_000]
    for number, data in enumerate([*attacks, *(data for data, _ in SERVED.values())]):
        answered = ask(port, data + SMUGGLED + BEHIND)
        assert server.seen() == answered, data
        innocent = f"GET innocent-{number} 0"
        assert ask(port, INNOCENT % number) == [innocent], data
        assert server.seen() == [innocent], data


@contextlib.contextmanager
def _proxy(kind: str, folder: Path, server: int) -> Iterator[int]:
    port, file = free_port(), folder / f"{kind}.conf"
    text, command = PROXIES[kind]
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{place}_temp_path {folder}/{place};" for place in places)
    user = "user root;" if os.getuid() == 0 else ""
    file.write_text(text.format(folder=folder, port=port, server=server, temporary=temporary, user=user))
    with (folder / "proxy.log").open("wb") as log:
        environment = {**os.environ, "HOME": str(folder), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        words = [word.format(folder=folder, file=file) for word in command]
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
                break
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, (folder / "proxy.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
