"""GET /status/<n>: the status lists, for APIs and for any cache between (IETF Token Status List sections 8 and 9).

Public: a list tells how many sessions of about a million were revoked of late, and nothing about whose they are.
"""

from __future__ import annotations

import time

from flask import Response, abort, jsonify, request

from authserver.oauth.endpoints.base import Context, Endpoint, View
from authserver.tokens.status_list import TYP, uri

_MEDIA_TYPE = f"application/{TYP}"
_OPEN = {"Access-Control-Allow-Origin": "*", "Vary": "Accept, Accept-Encoding"}


def _list_view(context: Context) -> View:
    lists = context.server.domain.status_lists

    def status_list(number: int) -> Response:
        if not request.accept_mimetypes.best_match([_MEDIA_TYPE, "application/jwt"]) and request.accept_mimetypes:
            abort(406)
        present = lists.get(number)
        if present is None:
            abort(404)
        # What a cache may keep is what is left of the list's time: caches in a row must not add theirs up.
        left = max(0, lists.ttl - int(time.monotonic() - present.built_at))
        zipped = request.accept_encodings.best == "gzip" or "gzip" in request.accept_encodings.values()
        response = Response(present.gzipped if zipped else present.token, content_type=_MEDIA_TYPE, headers=_OPEN)
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Cache-Control"] = f"public, max-age={left}"
        response.headers["ETag"] = present.etag
        response.make_conditional(request)
        return response

    return status_list


def _aggregation_view(context: Context) -> View:
    domain = context.server.domain

    def status_lists() -> Response:
        response = jsonify(status_lists=[uri(domain.issuer, number) for number in range(domain.status_lists.count())])
        response.headers["Cache-Control"] = "public, max-age=60"
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return status_lists


LIST = Endpoint("status_list", "/status/<int:number>", ("GET",), _list_view)
AGGREGATION = Endpoint("status_lists", "/status", ("GET",), _aggregation_view, "status_list_aggregation_endpoint")
