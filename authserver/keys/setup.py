"""What the settings say about keys: which master key opens them, and how long each kind serves and stays."""

from __future__ import annotations

from authserver.keys.model import Kind
from authserver.keys.rotation import Schedule
from authserver.keys.vault import MasterKeyError, Vault, embedded_master_key
from authserver.settings.model import Settings
from authserver.settings.types import decode_master_key

#: What verifiers may allow for clock skew, so that a key outlives the last token made with it by as much.
_LEEWAY_SECONDS = 300


def open_vault(settings: Settings, *, create: bool = True) -> Vault:
    """The vault under the master key of the settings, or under the embedded one.

    The embedded one is made when it is missing; never in production, and not with `create=False`, which is for
    commands that only read: a new key would open nothing and could be taken for the one that was lost.

    Raises:
        MasterKeyError: there is none, it cannot be read, or it is open to others.
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
    """How long keys serve, how long they are published before, and how long they are kept after."""
    keys, tokens, nodes = settings.keys, settings.tokens, 2 * settings.caches.max_age
    longest = max(tokens.max_access_token_lifetime, settings.status.lifetime)
    access = round(longest + _LEEWAY_SECONDS + nodes + 0.5)
    return Schedule(
        lifetime={
            Kind.SIGNING: keys.signing_key_lifetime,
            Kind.TOKEN: keys.token_key_lifetime,
            Kind.OPAQUE: keys.signing_key_lifetime,
        },
        # A signing key waits for the nodes and then for the APIs, whose copy of the key set may come from a node that
        # had just not noticed it; a token key is known to nodes only.
        publish_ahead={
            Kind.SIGNING: round(keys.jwks_max_age + nodes + 0.5),
            Kind.TOKEN: round(nodes + 0.5),
            Kind.OPAQUE: round(nodes + 0.5),
        },
        # The limits, not the present lifetimes: a client may be set up to them, or was until a moment ago. Nodes that
        # have not noticed a rotation go on using the old key, hence their caches once more.
        keep={
            Kind.SIGNING: access,
            Kind.TOKEN: round(tokens.max_refresh_absolute_lifetime + nodes + 0.5),
            Kind.OPAQUE: access,
        },
    )
