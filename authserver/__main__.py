"""The entry point: `authserver` and `python -m authserver`. Hands the application to the command line."""

from __future__ import annotations

import sys
from wsgiref.types import WSGIApplication

from flask import Flask

from authserver.admin.cli import command
from authserver.admin.cli.programs import Programs
from authserver.operations.logs import configure_logging
from authserver.settings import Settings


def make_app(settings: Settings) -> WSGIApplication:
    """Build the application of one worker, with its housekeeping under way."""
    # Here, because most commands need none of it, and it takes longer to import than they take to run.
    from authserver.app import create_app  # noqa: PLC0415

    app = create_app(settings)
    app.extensions["authserver"].housekeeping.start()
    return app


def stop_app(app: WSGIApplication) -> None:
    """End what `make_app` began: housekeeping writes what it still holds."""
    if isinstance(app, Flask):
        app.extensions["authserver"].housekeeping.stop()


def main() -> None:
    """Run the command line and leave with its status."""
    sys.exit(command.main(Programs(make_app, stop_app, configure_logging)))


if __name__ == "__main__":
    main()
