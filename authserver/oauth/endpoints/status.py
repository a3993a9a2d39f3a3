"""GET /status/<n>: the status lists, for APIs and caches (IETF Token Status List sections 8 and 9).

They are public: a list shows how many of about a million sessions were revoked recently, but not which users had them.
"""

from __future__ import annotations

import json

from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.tokens.status_list import TYP, StatusList, uri

_MEDIA_TYPE = f"application/{TYP}"
_OPEN = ("Access-Control-Allow-Origin", "*")


def _list(context: Context, request: HttpRequest) -> Answer:
    server = context.server
    lists = server.services.status_lists
    if request.accepted(_MEDIA_TYPE, "application/jwt") is None:
        return server.http_error(406)
    present = lists.get(request.path_arguments["number"])
    if present is None:
        return server.http_error(404)
    known = _still_good(request, present, lists.ttl)
    age = max(0, present.age_of(known or present.tag) or 0)  # a clock may be set back
    headers = [
        # A cache may keep the list only for the rest of its time, so that the times of several caches do not add up.
        ("Cache-Control", f"public, max-age={max(0, lists.ttl - age)}"),
        # Weak: nodes sign the same list differently, and gzip shares the tag (RFC 9110 section 8.8.3.3).
        ("ETag", f'W/"{known or present.tag}"'),
        ("Vary", "Accept, Accept-Encoding"),
        _OPEN,
    ]
    if known is not None:
        return Answer(304, "", headers)
    headers.append(("Content-Type", _MEDIA_TYPE))
    if not request.accepts_gzip:
        return Answer(200, present.token, headers)
    return Answer(200, present.gzipped, [*headers, ("Content-Encoding", "gzip")])


def _still_good(request: HttpRequest, present: StatusList, ttl: int) -> str | None:
    """The tag of If-None-Match whose list says the same and has half of its life left; of several, the youngest.

    An older one is replaced although it says the same: what is left of its life would make APIs ask more often.
    """
    known = request.known_tags
    if known.star_tag:
        return present.tag
    ages = {tag: present.age_of(tag) for tag in known.as_set(include_weak=True)}
    good = [(age, tag) for tag, age in ages.items() if age is not None and 0 <= age <= ttl // 2]
    return min(good)[1] if good else None


def _is_in_memory(context: Context, number: str) -> bool:
    # A row of digits may be longer than what Python makes a number of.
    return len(number) <= 12 and number.isdecimal() and context.server.services.status_lists.has(int(number))


def _aggregation(context: Context, _request: HttpRequest) -> Answer:
    services = context.server.services
    lists = [uri(services.issuer, number) for number in range(services.status_lists.count())]
    headers = [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=60"), _OPEN]
    return Answer(200, json.dumps({"status_lists": lists}), headers)


LIST = Endpoint("status_list", "/status/<int:number>", ("GET",), _list, cross_origin="any", at_hand=_is_in_memory)
AGGREGATION = Endpoint(
    "status_lists", "/status", ("GET",), _aggregation, "status_list_aggregation_endpoint", cross_origin="any"
)
