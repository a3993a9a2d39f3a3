"""FastAPI: `token: Annotated[AccessToken, Security(bearer, scopes=["read"])]`. OpenAPI shows the scheme."""

from fastapi import FastAPI, Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from authserver_resource.asgi import header_of
from authserver_resource.errors import VerificationError
from authserver_resource.gate import Gate
from authserver_resource.token import AccessToken


class Bearer(SecurityBase):
    """A dependency that yields the request's verified token, which has the scopes that `Security(...)` asks for."""

    def __init__(self, gate: Gate, app: FastAPI, *, scheme_name: str = "authserver") -> None:
        self.gate = gate
        self.scheme_name = scheme_name
        self.model = HTTPBearerModel(bearerFormat="JWT", description=f"An access token of {gate.verifier.issuer}")
        app.add_exception_handler(VerificationError, self._refuse)
        if gate.metadata_path is not None:
            app.add_api_route(gate.metadata_path, self._metadata, include_in_schema=False)

    async def __call__(self, request: Request, security_scopes: SecurityScopes) -> AccessToken:
        return await self.gate.admit_async(request.method, header_of(request.scope), security_scopes.scopes)

    async def _refuse(self, _request: Request, error: Exception) -> Response:
        if not isinstance(error, VerificationError):
            raise error
        refusal = self.gate.refusal(error)
        return Response(refusal.body, refusal.status, refusal.headers)

    async def _metadata(self) -> Response:
        return Response(self.gate.metadata(), media_type="application/json")
