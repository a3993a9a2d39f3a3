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
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from flask import Flask

from authserver.administration import apis, clients, password_links, users
from authserver.administration.apis import Plan
from authserver.administration.context import Administration
from authserver.administration.password_links import Issued
from authserver.administration.users import Profile
from authserver.apis import own_sessions
from authserver.app import make_app, stop_app
from authserver.clients.fields import Registration
from authserver.database import schema
from authserver.database.engine import open_database
from authserver.serving import processes as serving
from authserver.settings.loading import SettingsError
from authserver.settings.model import Settings, load_settings
from authserver.urls import origin_of

CLIENT_ID = "demo-app"
WEB_CLIENT_ID = "demo-web"
USERNAME = "demo"
PASSWORD = "demo-password"
ADMINISTRATOR = "admin"
AUDIENCE = "http://127.0.0.1:8001"
WEB_ORIGIN = "http://127.0.0.1:8002"
SCOPES = ("profile:read", "profile:write")

_EXAMPLE = Path("examples/api")
_WEB_EXAMPLE = Path("examples/web-app/server.py")


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
    with _example_api(settings.issuer) as has_example, _example_page(settings.issuer):
        return serving.run(
            lambda: make_app(settings),
            stop_app=stop_app,
            host="127.0.0.1",
            port=settings.server.port,
            workers=settings.server.workers,
            threads=settings.server.threads,
            max_body_bytes=settings.server.max_body_bytes,
            grace=settings.server.shutdown_timeout,
            on_ready=lambda _: print(lines_to_try(settings, link, has_example=has_example), flush=True),
        )


def prepare(settings: Settings) -> Issued | None:
    """Make the database and, where there are none yet, the demo's API, client, user and administrator.

    Returns a link for setting the administrator's password, as long as it has none.
    """
    url = settings.database_url
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = open_database(Flask("authserver.demo"), settings)
    schema.upgrade(database)
    admin = Administration(database, settings, "demo")
    if not users.find_all(admin):  # the user is added last: the next start completes a first one that was interrupted
        if AUDIENCE not in {plan.audience for plan in apis.find_all(admin)}:
            apis.add(admin, Plan(AUDIENCE, "Example API", None, dict.fromkeys(SCOPES, frozenset())))
        known = {client.client_id for client in clients.find_all(admin)}
        for client in (_demo_client(), _web_client()):
            if client.client_id not in known:
                clients.add(admin, client)
        users.add(admin, Profile(USERNAME, "demo@example.com", frozenset()), PASSWORD)
    link = password_links.first_administrator(admin, ADMINISTRATOR) if settings.pages.admin else None
    database.dispose()
    return link


def _demo_client() -> Registration:
    return Registration(
        client_id=CLIENT_ID,
        name="Demo app",
        kind="mobile",
        auth_methods=frozenset({"none"}),
        grants=frozenset({"password", "refresh_token"}),
        scopes=frozenset(SCOPES),
        late_retries=1,
    )


def _web_client() -> Registration:
    return Registration(
        client_id=WEB_CLIENT_ID,
        name="Example page",
        kind="browser",
        auth_methods=frozenset({"none"}),
        grants=frozenset({"password", "refresh_token"}),
        token_delivery="cookie",
        late_retries=1,
        scopes=frozenset({*SCOPES, own_sessions.SCOPE}),
        origins=frozenset({WEB_ORIGIN}),
    )


@contextmanager
def _example_api(issuer: str) -> Iterator[bool]:
    """Run the example API, in its own environment, during the block. Yields whether it could be started."""
    python = _EXAMPLE / ".venv" / "bin" / "python"
    if not python.exists():
        yield False
        return
    command = [str(python), str(_EXAMPLE / "app.py"), "--issuer", issuer, "--audience", AUDIENCE, "--port", "8001"]
    with _running([*command, "--origin", WEB_ORIGIN]):
        yield True


def _example_page(issuer: str) -> AbstractContextManager[None]:
    """Run the server of the example page, which needs nothing but Python."""
    return _running(
        [sys.executable, str(_WEB_EXAMPLE), "--issuer", issuer, "--client-id", WEB_CLIENT_ID, "--api", AUDIENCE]
    )


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
        return f'"$(sed -E \'s/.*"{name}": "([^"]*)".*/\\1/\' {tokens})"'

    form = f"-d client_id={CLIENT_ID}"
    keep = f"-o {tokens} && cat {tokens} && echo"
    steps = [
        (
            "Sign in",
            f"curl -fsS {issuer}/token {form} -d grant_type=password -d username={USERNAME} -d password={PASSWORD} {keep}",
        ),
        (
            "Refresh (as often as you like)",
            f"curl -fsS {issuer}/token {form} -d grant_type=refresh_token -d refresh_token={token('refresh_token')} {keep}",
        ),
        (
            "Call the example API",
            f'curl -sS -i {AUDIENCE}/profile -H "Authorization: Bearer {token("access_token")[1:]}',
        ),
        ("Sign out", f"curl -sS -i {issuer}/revoke {form} -d token={token('refresh_token')}"),
        (
            "Refresh once more: refused",
            f"curl -sS {issuer}/token {form} -d grant_type=refresh_token -d refresh_token={token('refresh_token')}",
        ),
    ]
    shown = [(title, line) for title, line in steps if has_example or "example API" not in title]
    text = "\n\n".join(f"# {title}\n{line}" for title, line in shown)
    note = (
        ""
        if has_example
        else "\n\nThe example API is not running: its environment is missing; make it with: make example."
    )
    page = f"\nA page that stays signed in: {WEB_ORIGIN} (user {USERNAME}, password {PASSWORD})\n"
    first = f"\nauthserver is running on {issuer}. Ctrl-C stops it."
    return f"{first} Try, in another terminal:\n\n{text}{note}\n{page}{_lines_for_administrator(settings, link)}"


def _lines_for_administrator(settings: Settings, link: Issued | None) -> str:
    if not settings.pages.admin:
        return ""
    console = f"{origin_of(settings.issuer)}/admin/"
    if link is None:
        return f"\nThe console: {console}\n"
    return (
        f"\nThe console: {console}\nSet the password of its user {link.username} first, with this link:\n{link.url}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
