"""What the settings say about keys: which master key opens them, and how long each kind serves and stays."""

from __future__ import annotations

from authserver.keys.model import Kind
from authserver.keys.rotation import Schedule
from authserver.keys.vault import MasterKeyError, Vault, embedded_master_key
from authserver.settings.model import Settings
from authserver.settings.types import decode_master_key
from authserver.settings.values import LEEWAY


def open_vault(settings: Settings, *, create: bool = True) -> Vault:
    """The vault under the master key of the settings, or under the embedded one.

    A missing embedded key is made, but never in production, and not with `create=False`, which is for commands that
    only read: a new key would open nothing, and could be mistaken for the lost one.

    Raises:
        MasterKeyError: there is no master key, it cannot be read, or it is open to others.
    """
    old = None if settings.old_master_key is None else decode_master_key(settings.old_master_key.get_secret_value())
    if settings.master_key is not None:
        return Vault(decode_master_key(settings.master_key.get_secret_value()), old)
    if not settings.master_key_file.exists() and (settings.environment == "production" or not create):
        raise MasterKeyError(
            f"there is no master key: {settings.master_key_file} is missing; restore it, or set "
            "AUTHSERVER_MASTER_KEY_FILE (only a server that is started for the first time makes one by itself)"
        )
    return Vault(embedded_master_key(settings.master_key_file), old)


def schedule(settings: Settings) -> Schedule:
    """How long keys are published before they serve, how long they serve, and how long they are kept after that."""
    keys, tokens, nodes = settings.keys, settings.tokens, 2 * settings.caches.max_age
    longest = max(tokens.max_access_token_lifetime, settings.status.lifetime)
    access = round(longest + LEEWAY + nodes + 0.5)
    return Schedule(
        lifetime={
            Kind.SIGNING: keys.signing_key_lifetime,
            Kind.TOKEN: keys.token_key_lifetime,
            Kind.OPAQUE: keys.signing_key_lifetime,
        },
        # A signing key waits for the nodes, then for the APIs: the last node to notice it may just have given an API
        # the old key set. Only nodes have to know the other keys.
        publish_ahead={
            Kind.SIGNING: round(keys.jwks_max_age + nodes + 0.5),
            Kind.TOKEN: round(nodes + 0.5),
            Kind.OPAQUE: round(nodes + 0.5),
        },
        # The limits, not the present lifetimes: a client may have any lifetime up to them, or had it a moment ago. The
        # nodes' caches are added, since a node that has not noticed a rotation still uses the old key.
        keep={
            Kind.SIGNING: access,
            Kind.TOKEN: round(tokens.max_refresh_absolute_lifetime + nodes + 0.5),
            Kind.OPAQUE: access,
        },
    )
