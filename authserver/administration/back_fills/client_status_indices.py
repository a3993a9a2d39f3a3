"""Clients that nodes before revision 0002 have added have no status index, so lists could not show their own tokens."""

from __future__ import annotations

from authserver.administration.back_fills.base import BackFill
from authserver.clients import store

BACK_FILL = BackFill("client_status_indices", store.give_status_indices, store.count_without_status_index)
