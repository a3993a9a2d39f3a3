"""Throttling: what counts failed attempts now, and lifting delays."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from authserver.admin_api.route import Document, Line, Parameters, Route
from authserver.administration import throttling as use_cases
from authserver.administration.context import Administration
from authserver.throttling.document import as_document
from authserver.throttling.viewing import Count as Counted

_READ: Final = "authserver:users:read"
_WRITE: Final = "authserver:users:write"

_User = Annotated[Line, Field(min_length=1, max_length=256)]
_Address = Annotated[Line, Field(min_length=1, max_length=60)]
_ClientId = Annotated[Line, Field(min_length=1, max_length=32)]


class Count(Document):
    """One count, now. Times are ISO 8601 in UTC."""

    count: str = Field(description="What it counts: address, network, place, strangers, link or client.")
    of: str = Field(description="The folded name, the place, or the client that it is of.")
    failures: int
    free: int = Field(description="So many attempts have no delay.")
    next_attempt_at: str | None = Field(description="When the next attempt may come; null if now.")
    in_a_row: int | None = Field(description="For strangers: failures without a success of the user.")
    in_a_row_free: int | None = Field(
        description="From so many failures in a row on, all strangers wait the longest delay."
    )


class CountList(Document):
    """Counts that have a failure in them."""

    items: list[Count]


class CountQuery(Parameters):
    """Whose counts: of a name, of an address, or of a client's secrets at an address."""

    user: _User | None = Field(
        default=None, description="Name, e-mail address or id; a name that no user has is counted too."
    )
    address: _Address | None = Field(default=None, description="An IP address.")
    client_id: _ClientId | None = Field(
        default=None, description="With `user` it stands for an address that is not known."
    )


class CountNames(Document):
    """The same, to be lifted."""

    user: _User | None = None
    address: _Address | None = None
    client_id: _ClientId | None = None


class Delay(Document):
    """How many counts of a kind delay somebody now."""

    count: str
    delayed: int
    estimate: bool = Field(
        description="Whether the number follows from a part of the counts, because there are very many."
    )


class DelayList(Document):
    """One entry for each kind of count."""

    items: list[Delay]


def delays(admin: Administration) -> DelayList:
    found = use_cases.delayed(admin).items()
    return DelayList(items=[Delay(count=kind, delayed=one.number, estimate=one.is_estimate) for kind, one in found])


def counts(admin: Administration, query: CountQuery) -> CountList:
    return _described(use_cases.show(admin, _target(admin, query)))


def lift(admin: Administration, body: CountNames) -> CountList:
    return _described(use_cases.lift(admin, _target(admin, body)))


def _target(admin: Administration, names: CountQuery | CountNames) -> use_cases.Target:
    return use_cases.target(admin, user=names.user, address=names.address, client=names.client_id)


def _described(found: list[Counted]) -> CountList:
    return CountList(items=[Count(**as_document(count)) for count in found])


ROUTES: Final = (
    Route(
        "GET", "/throttling/delays", _READ, "Count the delays", delays, "The kinds of counts",
        description="Whom they delay cannot be listed: the server keeps digests, and no names.",
    ),
    Route("GET", "/throttling/counts", _READ, "Read the counts of a name or address", counts, "The counts", errors={422}),
    Route(
        "POST", "/throttling/lift", _WRITE, "Lift delays", lift, "What stood in the counts",
        description="Empties the counts that `GET /throttling/counts` shows, and ends the failures in a row.",
        names={"client": "client_id"},
    ),
)  # fmt: skip
