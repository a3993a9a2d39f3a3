"""Self-service at /account/: users see and end their own sessions, change their password and take their data along."""

from authserver.account.pages import blueprint
from authserver.account.use_cases import Account

__all__ = ["Account", "blueprint"]
