"""Code that a developer pastes and runs: what a client does, and how an API verifies what it gets. Pure.

Nothing is left to replace but what only they know: the secret and a user's password come from the environment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from authserver.clients.fields import Registration


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some code; `name` is short and unlike the others' of the same list, for its heading and its address in a page."""

    name: str
    title: str
    language: str
    code: str


def for_client(issuer: str, client: Registration, scopes: Sequence[str]) -> list[Snippet]:
    """What this client does: sign in, refresh, sign out; or fetch its own token. `scopes` are of one API."""
    scope = " ".join(scopes)
    found = []
    if "password" in client.grants:
        found += [_curl_user(issuer, client, scope)]
        if client.kind == "browser":
            found += [_browser(issuer, client, scope)]
        else:
            found += [_httpx_user(issuer, client, scope)]
            if not client.is_public:
                found += [_authlib_user(issuer, client, scope)]
    if "client_credentials" in client.grants:
        found += [
            _curl_own(issuer, client, scope),
            _httpx_own(issuer, client, scope),
            _authlib_own(issuer, client, scope),
        ]
    return found


def for_api(issuer: str, audience: str, scopes: Sequence[str]) -> list[Snippet]:
    """How an API verifies its access tokens, with our library and with any JWT library."""
    wanted = repr(scopes[0]) if scopes else "()"
    return [
        Snippet("flask", "Python with Flask", "python", f"""# pip install "authserver-resource[flask]"
from authserver_resource import Verifier
from authserver_resource.flask import Api, access_token
from authserver_resource.gate import Gate
from flask import Flask

app = Flask(__name__)
verifier = Verifier(issuer={issuer!r}, audience={audience!r})
api = Api(Gate(verifier, scopes={list(scopes)!r}), app)


@app.get("/hello")
@api.require({wanted})
def hello():
    return {{"hello": access_token().subject}}
"""),
        Snippet("python", "Python without a framework", "python", f"""# pip install authserver-resource
from authserver_resource import Verifier

# One for the process, kept: it caches keys and status lists.
verifier = Verifier(issuer={issuer!r}, audience={audience!r})


def who_calls(access_token: str) -> str:
    return verifier.verify(access_token, scopes={wanted}).subject  # raises VerificationError
"""),
        Snippet("other", "Any other JWT library", "text", f"""Check, in this order, and refuse what fails:
  signature   with a key of {issuer}/.well-known/jwks.json, chosen by kid; ES256, EdDSA or RS256, nothing else
  typ         at+jwt
  iss         {issuer}
  aud         contains {audience}
  exp         not over
  scope       has what the request needs
Such a library does not look at the status list: a revoked token stays good until exp.
"""),
    ]  # fmt: skip


def _auth(client: Registration) -> str:
    """How curl proves the client."""
    if client.is_public:
        return f"-d client_id={shlex.quote(client.client_id)}"
    if "client_secret_basic" in client.auth_methods:
        return f'-u {shlex.quote(client.client_id)}:"$CLIENT_SECRET"'
    return f'-d client_id={shlex.quote(client.client_id)} --data-urlencode client_secret="$CLIENT_SECRET"'


def _curl_user(issuer: str, client: Registration, scope: str) -> Snippet:
    secret = "" if client.is_public else "export CLIENT_SECRET=…\n"
    refresh = ""
    if "refresh_token" in client.grants:
        refresh = f"""
# When the access token is about to expire. Each answer has a new refresh token: keep that, drop the old one.
curl {shlex.quote(issuer + "/token")} {_auth(client)} -d grant_type=refresh_token -d refresh_token="$REFRESH_TOKEN"

# Sign out.
curl {shlex.quote(issuer + "/revoke")} {_auth(client)} -d token="$REFRESH_TOKEN"
"""
    return Snippet("curl", "curl", "sh", f"""{secret}export APP_USER=… APP_PASSWORD=…

# Sign in. The answer has access_token, expires_in and refresh_token.
curl {shlex.quote(issuer + "/token")} {_auth(client)} -d grant_type=password \\
  --data-urlencode username="$APP_USER" --data-urlencode password="$APP_PASSWORD" {_curl_scope(scope)}
{refresh}""")  # fmt: skip


def _curl_own(issuer: str, client: Registration, scope: str) -> Snippet:
    return Snippet("curl-own", "curl, for the client itself", "sh", f"""export CLIENT_SECRET=…

curl {shlex.quote(issuer + "/token")} {_auth(client)} -d grant_type=client_credentials {_curl_scope(scope)}
""")  # fmt: skip


def _curl_scope(scope: str) -> str:
    return f"--data-urlencode scope={shlex.quote(scope)}" if scope else ""


def _python_proof(client: Registration) -> tuple[str, str]:
    """What a Python program sends to prove the client: arguments of httpx.post, and members of the form."""
    if client.is_public:
        return "", f'"client_id": {client.client_id!r}, '
    if "client_secret_basic" in client.auth_methods:
        return f'auth=({client.client_id!r}, os.environ["CLIENT_SECRET"]), ', ""
    return "", f'"client_id": {client.client_id!r}, "client_secret": os.environ["CLIENT_SECRET"], '


def _python_scope(scope: str) -> str:
    return f", scope={scope!r}" if scope else ""


def _httpx_post(issuer: str, client: Registration) -> str:
    auth, members = _python_proof(client)
    return f"""import os

import httpx

ISSUER = {issuer!r}


def post(path, **form):
    answer = httpx.post(ISSUER + path, {auth}data={{{members}**form}})
    if answer.is_error:
        raise SystemExit(answer.text)  # its member "reference" tells an administrator why
    return answer.json()

"""


def _httpx_user(issuer: str, client: Registration, scope: str) -> Snippet:
    going_on = ""
    if "refresh_token" in client.grants:
        going_on = """
# When the access token is about to expire. Keep the new refresh token, drop the old one.
tokens = post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
print("refreshed, for", tokens["expires_in"], "seconds")

post("/revoke", token=tokens["refresh_token"])
print("signed out")
"""
    code = f"""{_httpx_post(issuer, client)}
user, password = os.environ["APP_USER"], os.environ["APP_PASSWORD"]
tokens = post("/token", grant_type="password", username=user, password=password{_python_scope(scope)})
print("signed in, for", tokens["expires_in"], "seconds, with scope", tokens["scope"])
{going_on}"""
    return Snippet("httpx", "Python with httpx", "python", code)


def _httpx_own(issuer: str, client: Registration, scope: str) -> Snippet:
    code = f"""{_httpx_post(issuer, client)}
# Keep it until shortly before it expires: there is no refresh token, a new one is a request away.
token = post("/token", grant_type="client_credentials"{_python_scope(scope)})
print("token for", token["expires_in"], "seconds, with scope", token["scope"])
"""
    return Snippet("httpx-own", "Python with httpx, for the client itself", "python", code)


def _authlib_client(issuer: str, client: Registration, scope: str) -> str:
    method = "client_secret_basic" if "client_secret_basic" in client.auth_methods else "client_secret_post"
    return f"""# pip install authlib httpx
import os

from authlib.integrations.httpx_client import OAuth2Client

client = OAuth2Client(
    {client.client_id!r},
    os.environ["CLIENT_SECRET"],
    token_endpoint_auth_method={method!r},
    token_endpoint={issuer + "/token"!r},
    scope={scope!r},
)
"""


def _authlib_user(issuer: str, client: Registration, scope: str) -> Snippet:
    code = f"""{_authlib_client(issuer, client, scope)}token = client.fetch_token(
    grant_type="password", username=os.environ["APP_USER"], password=os.environ["APP_PASSWORD"]
)
print("signed in, for", token["expires_in"], "seconds")

# client.get("https://your-api.example.com/…") sends the token, and refreshes it when it is about to expire.
"""
    return Snippet("authlib", "Python with Authlib", "python", code)


def _authlib_own(issuer: str, client: Registration, scope: str) -> Snippet:
    code = f"""{_authlib_client(issuer, client, scope)}token = client.fetch_token(grant_type="client_credentials")
print("token for", token["expires_in"], "seconds")
"""
    return Snippet("authlib-own", "Python with Authlib, for the client itself", "python", code)


def _browser(issuer: str, client: Registration, scope: str) -> Snippet:
    scope_member = f", scope: {json.dumps(scope)}" if scope else ""
    code = f"""const ISSUER = {json.dumps(issuer)};
const CLIENT_ID = {json.dumps(client.client_id)};

async function post(path, form) {{
  const body = new URLSearchParams({{ client_id: CLIENT_ID, ...form }});
  const answer = await fetch(ISSUER + path, {{ method: "POST", body, credentials: "omit" }});
  const document = await answer.json();
  if (!answer.ok) throw new Error(`${{document.error}} (${{document.reference}})`);
  return document;
}}

// Keep tokens in memory, not in localStorage: any script of the page could read them there.
let tokens;
export async function signIn(username, password) {{
  tokens = await post("/token", {{ grant_type: "password", username, password{scope_member} }});
}}
export async function refresh() {{
  tokens = await post("/token", {{ grant_type: "refresh_token", refresh_token: tokens.refresh_token }});
}}
export async function signOut() {{
  await post("/revoke", {{ token: tokens.refresh_token }});
  tokens = undefined;
}}
"""
    return Snippet("javascript", "JavaScript in a page", "javascript", code)
