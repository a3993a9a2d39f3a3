"""Whether the client of a request is still there, and how long it has waited for a thread.

Work that has not begun is not worth doing for a client that has left.
"""

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
    waited = 0.0


_here = _Thread()


def serve(presence: Presence, waited: float) -> None:
    """Note whose request this thread answers from now on, and the seconds that it has waited for the thread."""
    _here.presence, _here.waited = presence, waited


def waited() -> float:
    """The seconds that this thread's request waited for the thread; 0 in threads that answer no requests."""
    return _here.waited


def client_may_be_gone() -> bool:
    """Whether the client of this thread's request may have left. For work that had to wait and has not begun."""
    return _here.presence.may_be_gone()
