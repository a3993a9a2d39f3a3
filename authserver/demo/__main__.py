"""`make run`: the server with demo clients, API and user, the example API and page beside it, and the lines to try.

The password of the demo's user is public, since it stands in this file. So the user is made only in development and at
the first start, and the server listens on this machine only. The administrator has no password until one is set with
the printed link.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from flask import Flask

from authserver.administration import apis, clients, password_links, users
from authserver.administration.apis import Plan
from authserver.administration.context import Administration
from authserver.administration.password_links import Issued
from authserver.administration.users import Profile
from authserver.apis import own_sessions
from authserver.app import hints, large_bodies, make_app, stop_app
from authserver.clients.registration import fill
from authserver.database import schema
from authserver.database.engine import open_database
from authserver.serving import processes as serving
from authserver.settings.loading import SettingsError
from authserver.settings.model import Settings, load_settings

CLIENT_ID = "demo-app"
WEB_CLIENT_ID = "demo-web"
USERNAME = "demo"
PASSWORD = "quiet-river-lamp"
ADMINISTRATOR = "admin"
AUDIENCE = "http://127.0.0.1:8001"
WEB_ORIGIN = "http://127.0.0.1:8002"
SCOPES = ("profile:read", "profile:write")

_GRANTS = frozenset({"password", "refresh_token"})
_CLIENTS = (
    fill("mobile", client_id=CLIENT_ID, name="Demo app", grants=_GRANTS, scopes=frozenset(SCOPES)),
    fill(
        "browser",
        client_id=WEB_CLIENT_ID,
        name="Example page",
        grants=_GRANTS,
        scopes=frozenset({*SCOPES, own_sessions.SCOPE}),
        origins=frozenset({WEB_ORIGIN}),
    ),
)
# The example API has an environment of its own. The server of the example page needs nothing but Python.
_API_PYTHON = Path("examples/api/.venv/bin/python")
_API = (str(_API_PYTHON), "examples/api/app.py", "--audience", AUDIENCE, "--port", "8001", "--origin", WEB_ORIGIN)
_PAGE = (sys.executable, "examples/web-app/server.py", "--client-id", WEB_CLIENT_ID, "--api", AUDIENCE)


def main() -> int:
    """Prepare, serve and print the lines; return the exit status."""
    try:
        settings = load_settings(None, os.environ)
    except SettingsError as error:
        print("\n".join(f"error: {problem}" for problem in error.problems), file=sys.stderr)
        return 1
    if settings.environment != "development":
        print("error: make run is for development; start a server with: authserver serve", file=sys.stderr)
        return 1
    link = prepare(settings)
    has_example = _API_PYTHON.exists()
    with ExitStack() as stack:
        for command in (_API, _PAGE) if has_example else (_PAGE,):
            stack.enter_context(_running([*command, "--issuer", settings.issuer]))
        return serving.run(
            lambda: make_app(settings),
            stop_app=stop_app,
            hints=hints,
            host="127.0.0.1",
            port=settings.server.port,
            workers=settings.server.workers,
            threads=settings.server.threads,
            max_body_bytes=settings.server.max_body_bytes,
            large_bodies=large_bodies(settings),
            grace=settings.server.shutdown_timeout,
            on_ready=lambda _: print(lines_to_try(settings, link, has_example=has_example), flush=True),
        )


def prepare(settings: Settings) -> Issued | None:
    """Make the database, and what it lacks of the demo's API, clients, user and administrator.

    Returns a link with which the administrator sets the password; None once it is set, and without a console.
    """
    url = settings.database_url
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = open_database(Flask("authserver.demo"), settings, bounded=False)
    schema.upgrade(database)
    admin = Administration(database, settings, "demo")
    if not users.find_all(admin):  # it is added last, so the next start completes one that was interrupted
        if AUDIENCE not in {plan.audience for plan in apis.find_all(admin)}:
            apis.add(admin, Plan(AUDIENCE, "Example API", None, dict.fromkeys(SCOPES, frozenset())))
        known = {client.client_id for client in clients.find_all(admin)}
        for client in _CLIENTS:
            if client.client_id not in known:
                clients.add(admin, client)
        users.add(admin, Profile(USERNAME, "demo@example.com", frozenset()), PASSWORD)
    link = password_links.first_administrator(admin, ADMINISTRATOR) if settings.pages.admin else None
    database.dispose()
    return link


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        process.kill()


def lines_to_try(settings: Settings, link: Issued | None, *, has_example: bool) -> str:
    """The lines that show the main job. Each works when it is pasted, in this order.

    A line passes its tokens to the next in a file beside the database, in a directory that only this user may enter.
    """
    issuer = settings.issuer
    tokens = shlex.quote(str(settings.data_dir.absolute() / "demo-tokens.json"))

    def token(name: str) -> str:
        return f'$(sed -E \'s/.*"{name}": "([^"]*)".*/\\1/\' {tokens})'

    form = f"-d client_id={CLIENT_ID}"
    keep = f"-o {tokens} && cat {tokens} && echo"
    refresh = f'{issuer}/token {form} -d grant_type=refresh_token -d refresh_token="{token("refresh_token")}"'
    user = f"-d grant_type=password -d username={USERNAME} -d password={PASSWORD}"
    steps = {
        "Sign in": f"curl -fsS {issuer}/token {form} {user} {keep}",
        "Refresh (as often as you like)": f"curl -fsS {refresh} {keep}",
        "Call the example API": f'curl -sS -i {AUDIENCE}/profile -H "Authorization: Bearer {token("access_token")}"',
        "Sign out": f'curl -sS -i {issuer}/revoke {form} -d token="{token("refresh_token")}"',
        "Refresh once more: refused": f"curl -sS {refresh}",
    }
    parts = [f"\nauthserver is running on {issuer}. Ctrl-C stops it. Try, in another terminal:"]
    if not has_example:
        del steps["Call the example API"]
    parts += [f"# {title}\n{line}" for title, line in steps.items()]
    if not has_example:
        parts.append("The example API is not running: its environment is missing; make it with: make example.")
    parts.append(f"A page that stays signed in: {WEB_ORIGIN} (user {USERNAME}, password {PASSWORD})")
    if settings.pages.admin:
        parts.append(f"The console: {issuer}/admin/")
        if link is not None:
            parts[-1] += f"\nSet the password of its user {link.username} first, with this link:\n{link.url}"
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
