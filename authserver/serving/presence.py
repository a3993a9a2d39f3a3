"""Whether the client of a request is still there: work that has not begun is not worth doing for one that has left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Presence:
    """What a connection tells. `may_be_gone`: it has sent its last byte, as a client does that closes, or half closes.

    A request of such a client is dropped only if it had to wait. Then it is answered with 503, in case that it listens.
    """

    is_gone: Callable[[], bool] = _never
    may_be_gone: Callable[[], bool] = _never


class _Thread(threading.local):
    presence = Presence()


_here = _Thread()


def serve(presence: Presence) -> None:
    """Note whose request this thread answers from now on."""
    _here.presence = presence


def client_may_be_gone() -> bool:
    """Whether the client of this thread's request may have left. For work that had to wait and has not begun."""
    return _here.presence.may_be_gone()
