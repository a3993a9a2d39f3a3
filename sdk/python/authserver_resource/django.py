"""Django: a middleware, and `@require_token("read")` on a view. The token is `request.access_token`.

The setting `AUTHSERVER_RESOURCE = {"issuer": …, "audience": …}` takes each argument of Verifier, and the arguments of
Gate in `"gate": {…}`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpResponse

from authserver_resource.errors import VerificationError
from authserver_resource.gate import Gate
from authserver_resource.texts import scope_names
from authserver_resource.verifier import Verifier


@functools.cache
def gate() -> Gate:
    """Return the gate that the settings describe. A process has one."""
    options = dict(settings.AUTHSERVER_RESOURCE)
    gate_options = options.pop("gate", {})
    return Gate(Verifier(**options), **gate_options)


class AccessTokenMiddleware:
    """Serves the metadata, and answers a VerificationError from any place in a view with a challenge."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        # A proxy passes the metadata on with or without the path of the mount (SCRIPT_NAME).
        if gate().metadata_path not in {request.path, request.path_info}:
            return self._get_response(request)
        response = HttpResponse(gate().metadata(), content_type="application/json")
        return _as_coroutine(response) if iscoroutinefunction(self) else response

    def process_exception(self, _request: Any, error: Exception) -> HttpResponse | None:
        if not isinstance(error, VerificationError):
            return None
        refusal = gate().refusal(error)
        return HttpResponse(refusal.body, status=refusal.status, headers=refusal.headers)


def require_token(scopes: str | Iterable[str] = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a request in to this view, plain or async, if its token has all these scopes.

    A view that takes tokens from the header alone is safe without Django's CSRF check: add `csrf_exempt`.
    """
    wanted = scope_names(scopes)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def guarded_async(request: Any, *args: Any, **kwargs: Any) -> Any:
                request.access_token = await gate().admit_async(request.method, request.headers.get, wanted)
                return await view(request, *args, **kwargs)

            return guarded_async

        @functools.wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
            request.access_token = gate().admit(request.method, request.headers.get, wanted)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


async def _as_coroutine(response: HttpResponse) -> HttpResponse:
    return response
