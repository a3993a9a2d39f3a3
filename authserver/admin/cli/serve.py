"""`authserver serve`: check the settings and the schema, then serve until told to stop."""

from __future__ import annotations

import click

from authserver.admin.cli.db import upgrade_schema
from authserver.admin.cli.programs import Invocation, pass_invocation
from authserver.admin.doctor.settings import examine
from authserver.operations import serving
from authserver.settings import Settings


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on [default: server.host].")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes [default: server.workers].")
@click.option("--threads", type=click.IntRange(4, 1024), help="Threads of one worker [default: server.threads].")
@pass_invocation
def serve(invocation: Invocation, host: str | None, port: int | None, workers: int | None, threads: int | None) -> int:
    """Serve until SIGTERM or Ctrl-C; requests in flight are answered.

    In development the schema is upgraded first. In production that is a step of its own, authserver db upgrade: a
    node that starts must not change the database under the others.

    \b
    Examples:
      authserver serve
      AUTHSERVER_CONFIG=/etc/authserver.toml authserver serve --workers 4
    """  # noqa: D301 - click's mark for a paragraph that is not to be filled
    settings = invocation.settings
    for finding in examine(settings):
        click.echo(f"warning: {finding.subject}: {finding.reason}", err=True)
    if settings.environment == "development":
        upgrade_schema(invocation)
    else:
        with invocation.database():
            pass  # the schema is right, or this has raised
    server = settings.server
    return serving.run(
        lambda: invocation.programs.make_app(settings),
        stop_app=invocation.programs.stop_app,
        host=host or server.host,
        port=server.port if port is None else port,
        workers=workers or server.workers,
        threads=threads or server.threads,
        max_body_bytes=server.max_body_bytes,
        grace=server.shutdown_timeout,
        on_ready=lambda address: _announce(address, settings),
    )


def _announce(address: str, settings: Settings) -> None:
    click.echo(f"authserver listens on {address} (issuer {settings.issuer}); stop it with Ctrl-C")
