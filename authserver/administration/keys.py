"""Use cases of keys: list, rotate, mark as leaked, re-wrap under a new master key."""

from __future__ import annotations

from collections.abc import Sequence

from authserver.administration.context import Administration
from authserver.administration.errors import Conflict, NotFound
from authserver.keys import rotation
from authserver.keys.model import KeyRecord, Kind
from authserver.keys.rotation import RotationRefused


def find_all(admin: Administration) -> Sequence[KeyRecord]:
    """Every key ever made, oldest first. Needs no master key: secrets stay sealed."""
    return rotation.all_keys(admin.database)


def rotate(admin: Administration, kind: Kind, *, at_once: bool) -> None:
    """Promote the published next key of a kind.

    Raises:
        Conflict: it has not been published long enough, or another node rotated at the same moment.
    """
    try:
        admin.rotation.rotate(kind, at_once=at_once, actor=admin.actor, caller=admin.caller)
    except RotationRefused as refusal:
        raise Conflict(refusal.args[0]) from None


def mark_leaked(admin: Administration, key_id: int) -> None:
    """Stop trusting a key. An active key is replaced first. This process uses the change at once.

    Raises:
        NotFound: there is no such key in use.
    """
    try:
        admin.rotation.mark_leaked(key_id, actor=admin.actor, caller=admin.caller)
    except RotationRefused as refusal:
        raise NotFound(refusal.args[0]) from None
    admin.reread_keys()


def mark_all_leaked(admin: Administration) -> Sequence[int]:
    """Stop trusting every key of the table, for new ones. Returns the ids. This process uses the change at once.

    Raises:
        Conflict: another node changed a key at the same moment. Some keys may be marked; call it again.
    """
    try:
        marked = admin.rotation.mark_all_leaked(actor=admin.actor, caller=admin.caller)
    except RotationRefused as refusal:
        raise Conflict(refusal.args[0]) from None
    admin.reread_keys()
    return marked


def rewrap(admin: Administration) -> int:
    """Seal every key under the present master key. Returns how many were under the old one."""
    return admin.rotation.rewrap(actor=admin.actor, caller=admin.caller)
