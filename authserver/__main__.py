"""The entry point: `authserver` and `python -m authserver`. Hands the application and the log to the command line.

Both are imported by the commands that need them. Most commands run for less time than those imports take.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from authserver.cli import command

if TYPE_CHECKING:  # not at run time, for the reason above
    from authserver.cli.programs import Application
    from authserver.settings.values import LogSettings


class Programs:
    """Gives commands the application and the log (`cli.programs.Programs`)."""

    def application(self) -> Application:
        from authserver import app  # noqa: PLC0415
        from authserver.cli.programs import Application  # noqa: PLC0415

        return Application(app.make_app, app.stop_app, app.hints, app.large_bodies)

    def configure_logging(self, settings: LogSettings) -> None:
        from authserver.operations import logs  # noqa: PLC0415

        logs.configure_logging(settings)


def main() -> None:
    """Run the command line and leave with its status."""
    sys.exit(command.main(Programs()))


if __name__ == "__main__":
    main()
