"""GET /status/<n>: the status lists, for APIs and caches (IETF Token Status List sections 8 and 9).

They are public: a list shows how many of about a million sessions were revoked recently, but not which users had them.
"""

from __future__ import annotations

import json
import time

from authserver.oauth.endpoints.base import Context, Endpoint
from authserver.oauth.messages import Answer, HttpRequest
from authserver.tokens.status_list import TYP, uri

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
    # A cache may keep the list only for the rest of its time, so that the times of several caches do not add up.
    left = max(0, lists.ttl - int(time.monotonic() - present.built_at))
    zipped = request.accepts_gzip
    headers = [
        ("Content-Type", _MEDIA_TYPE),
        ("Cache-Control", f"public, max-age={left}"),
        ("ETag", present.etag),
        ("Vary", "Accept, Accept-Encoding"),
        _OPEN,
    ]
    if zipped:
        headers.append(("Content-Encoding", "gzip"))
    if request.has(present.etag):
        return Answer(304, "", headers)
    return Answer(200, present.gzipped if zipped else present.token, headers)


def _aggregation(context: Context, _request: HttpRequest) -> Answer:
    services = context.server.services
    lists = [uri(services.issuer, number) for number in range(services.status_lists.count())]
    headers = [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=60"), _OPEN]
    return Answer(200, json.dumps({"status_lists": lists}), headers)


LIST = Endpoint("status_list", "/status/<int:number>", ("GET",), _list, cross_origin="any")
AGGREGATION = Endpoint(
    "status_lists", "/status", ("GET",), _aggregation, "status_list_aggregation_endpoint", cross_origin="any"
)
