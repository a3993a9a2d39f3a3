"""The entry point: `authserver` and `python -m authserver`. Hands the application to the command line."""

from __future__ import annotations

import sys

from authserver.cli import command
from authserver.cli.programs import Application, Programs
from authserver.operations.logs import configure_logging


def application() -> Application:
    """How the application is built and stopped. Imported late: most commands do not need it, and it takes longer to import than they run."""
    from authserver import app  # noqa: PLC0415

    return Application(app.make_app, app.stop_app)


def main() -> None:
    """Run the command line and leave with its status."""
    sys.exit(command.main(Programs(application, configure_logging)))


if __name__ == "__main__":
    main()
