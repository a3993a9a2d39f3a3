"""A textbook server: Flask, Authlib and Flask-SQLAlchemy as their documentation combines them.

The models are Authlib's mixins, and every token is a row. `save_token` and `revoke_old_credential` commit. Each request
queries its client and user. Access tokens are JWTs by `JWTBearerTokenGenerator`. To be fair it parses the signing key
only once (a JWK would cost a parse for each token), hashes passwords by Argon2id with authserver's parameters, and runs
on authserver's WSGI server, so only the applications differ.

Usage: python -m benchmarks.textbook DATABASE_URL PORT
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import argon2
from argon2.exceptions import VerifyMismatchError
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_revocation_endpoint,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify
from flask_sqlalchemy import SQLAlchemy
from joserfc.jwk import ECKey, KeySet

CLIENT_ID, SECRET, USERNAME, PASSWORD = "textbook", "a textbook secret", "person", "correct horse battery"
AUDIENCE = CLIENT_ID  # the generator's default
_LIFETIME = 900

db = SQLAlchemy()
server = AuthorizationServer()
hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


class User(db.Model):  # type: ignore[name-defined,misc]
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(40), unique=True)
    password_hash = db.Column(db.String(200))

    def get_user_id(self) -> int:
        return int(self.id)

    def check_password(self, password: str) -> bool:
        try:
            return hasher.verify(self.password_hash, password)
        except VerifyMismatchError:
            return False


class OAuth2Client(db.Model, OAuth2ClientMixin):  # type: ignore[name-defined,misc]
    __tablename__ = "oauth2_client"
    id = db.Column(db.Integer, primary_key=True)


class OAuth2Token(db.Model, OAuth2TokenMixin):  # type: ignore[name-defined,misc]
    __tablename__ = "oauth2_token"
    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.Integer, db.ForeignKey("user.id"))
    user = db.relationship("User")
    access_token = db.Column(db.Text, nullable=False)  # the mixin's 255 characters cannot hold a JWT


class ClientCredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012 - as the docs have it


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012

    def authenticate_user(self, username: str, password: str) -> User | None:
        user = User.query.filter_by(username=username).first()
        return user if user is not None and user.check_password(password) else None


class RefreshTokenGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> OAuth2Token | None:
        token = OAuth2Token.query.filter_by(refresh_token=refresh_token).first()
        return token if token is not None and not token.is_revoked() else None

    def authenticate_user(self, credential: OAuth2Token) -> User | None:
        return db.session.get(User, credential.user_id)

    def revoke_old_credential(self, credential: OAuth2Token) -> None:
        credential.refresh_token_revoked_at = int(time.time())
        db.session.add(credential)
        db.session.commit()


def make_app(url: str, issuer: str, key: ECKey) -> Flask:
    """Build the application over a database that `prepare` has filled."""
    app = Flask("textbook")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _ENGINE(url)
    db.init_app(app)
    server.init_app(
        app,
        query_client=create_query_client_func(db.session, OAuth2Client),
        save_token=create_save_token_func(db.session, OAuth2Token),
    )
    for grant in (ClientCredentialsGrant, PasswordGrant, RefreshTokenGrant):
        server.register_grant(grant)
    server.register_endpoint(create_revocation_endpoint(db.session, OAuth2Token))
    keys = KeySet([key])

    class Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
        def get_jwks(self) -> KeySet:
            return keys

    def refresh_token_generator(**_: Any) -> str:
        from authlib.common.security import generate_token

        return str(generate_token(48))

    generator = Generator(issuer, "ES256", refresh_token_generator, lambda _client, _grant: _LIFETIME)
    server.register_token_generator("default", generator)

    @app.post("/token")
    def issue_token() -> Response:
        response: Response = server.create_token_response()
        return response

    @app.get("/.well-known/jwks.json")
    def jwks() -> Response:
        return jsonify(keys.as_dict(private=False))

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        return jsonify(
            issuer=issuer,
            token_endpoint=f"{issuer}/token",
            jwks_uri=f"{issuer}/.well-known/jwks.json",
            grant_types_supported=["client_credentials", "password", "refresh_token"],
        )

    return app


def _ENGINE(url: str) -> dict[str, Any]:  # noqa: N802
    # 16 threads need more than SQLAlchemy's 5 connections.
    return {"pool_size": 16} if url.startswith("postgresql") else {"pool_size": 16, "connect_args": {"timeout": 30}}


def prepare(app: Flask) -> None:
    """Make the tables, one client and one user."""
    with app.app_context():
        db.create_all()
        client = OAuth2Client(client_id=CLIENT_ID, client_secret=SECRET, client_id_issued_at=int(time.time()))
        client.set_client_metadata(
            {
                "client_name": "Textbook",
                "grant_types": ["client_credentials", "password", "refresh_token"],
                "scope": "read write",
                "token_endpoint_auth_method": "client_secret_basic",
            }
        )
        db.session.add_all([client, User(username=USERNAME, password_hash=hasher.hash(PASSWORD))])
        db.session.commit()
        if db.engine.dialect.name == "sqlite":
            db.session.execute(db.text("PRAGMA journal_mode = WAL"))
        db.engine.dispose()


def main(url: str, port: int) -> int:
    from authserver.serving.processes import run

    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the docs run it on http this way
    issuer = f"http://127.0.0.1:{port}"
    key = ECKey.generate_key("P-256", auto_kid=True)
    prepare(make_app(url, issuer, key))

    def fresh() -> Flask:
        return make_app(url, issuer, key)

    return run(fresh, host="127.0.0.1", port=port, workers=2, threads=16, max_body_bytes=65536)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
