"""`authserver serve`: check the settings and the schema, then serve until told to stop."""

from __future__ import annotations

from collections.abc import Sequence

import click

from authserver.administration import password_links
from authserver.administration.context import Administration
from authserver.administration.doctor.settings import examine
from authserver.cli.db import upgrade_schema
from authserver.cli.output import moment
from authserver.cli.programs import Invocation, actor, pass_invocation
from authserver.serving import processes as serving
from authserver.settings.model import Settings


@click.command()
@click.option(
    "--host",
    "hosts",
    metavar="ADDRESS",
    multiple=True,
    help="Address to listen on, also several times [default: server.host].",
)
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes [default: server.workers].")
@click.option("--threads", type=click.IntRange(4, 1024), help="Threads of one worker [default: server.threads].")
@click.option(
    "--first-administrator",
    metavar="NAME",
    help="If there is no administrator, make this one and print a one-time link for the password.",
)
@pass_invocation
def serve(
    invocation: Invocation,
    hosts: Sequence[str],
    port: int | None,
    workers: int | None,
    threads: int | None,
    first_administrator: str | None,
) -> int:
    """Serve until SIGTERM or Ctrl-C, then answer the requests that have begun.

    In development the schema is upgraded first. In production upgrade it with authserver db upgrade: a node that starts
    must not change the database of the others.

    \b
    Examples:
      authserver serve
      authserver serve --first-administrator admin
      authserver serve --host 127.0.0.1 --host ::1
      AUTHSERVER_CONFIG=/etc/authserver.toml authserver serve --workers 4
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    settings = invocation.settings
    for finding in examine(settings):
        click.echo(f"warning: {finding.subject}: {finding.reason}", err=True)
    if settings.environment == "development":
        upgrade_schema(invocation)
    else:
        with invocation.database():
            pass  # opening it has checked the schema
    lines = _lines_for_administrator(invocation, first_administrator)
    server, application = settings.server, invocation.programs.application()
    return serving.run(
        lambda: application.make(settings),
        stop_app=application.stop,
        hints=application.hints,
        host=",".join(hosts) or server.host,
        port=server.port if port is None else port,
        workers=workers or server.workers,
        threads=threads or server.threads,
        max_body_bytes=server.max_body_bytes,
        large_bodies=application.large_bodies(settings),
        grace=server.shutdown_timeout,
        on_ready=lambda urls: _announce(urls, settings, lines),
    )


def _announce(urls: str, settings: Settings, lines: Sequence[str]) -> None:
    click.echo("\n".join([f"authserver listens on {urls} (issuer {settings.issuer}); stop it with Ctrl-C", *lines]))


def _lines_for_administrator(invocation: Invocation, name: str | None) -> list[str]:
    """Lines on how to get the first administrator. The link goes to standard output only, never into the log."""
    if name is not None:
        with invocation.administration() as admin:
            issued = password_links.first_administrator(admin, name)
        if issued is None:
            return []
        until = moment(issued.expires_at)
        return [f"For {issued.username} alone, to set a password, once, until {until}: {issued.url}"]
    settings = invocation.settings
    if settings.environment != "development" or not settings.pages.admin:
        return []
    with invocation.database() as database:
        has_one = password_links.has_administrator(Administration(database, settings, actor()))
    return [] if has_one else ["There is no administrator yet; make one: authserver admin create NAME --link"]
