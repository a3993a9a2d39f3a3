"""No token, password, client secret or private key is in the database or in a log, in any form."""

import base64
import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from authserver.keys.setup import open_vault
from tests.support.admin_api import a_program
from tests.support.databases import on_both_databases
from tests.support.oauth import App, OAuth, Person, claims
from tests.support.postgres import Cluster, postgres_or_skip
from tests.support.secrecy import KnownSecrets, forms, traces
from tests.support.server import ForkedServer, LiveServer
from tests.support.setup import Setup
from tests.support.visitor import Visitor

#: Looks different in every encoding: blanks, quotes, per cent, plus and letters beyond ASCII.
AWKWARD = 'Grün & 100% "sicher" + \\ '
METRICS_TOKEN = "metrics-" + secrets.token_hex(16)


@pytest.fixture
def server(setup: Setup) -> Iterator[LiveServer]:
    made = ForkedServer(setup, AUTHSERVER_LOG__LEVEL="DEBUG", AUTHSERVER_METRICS__TOKEN=METRICS_TOKEN).start()
    yield made
    made.stop()


class BusyRun:
    """Uses every kind of secret, rightly and wrongly, by the command line and over HTTP."""

    def __init__(self, server: LiveServer, known: KnownSecrets) -> None:
        self.server = server
        self.setup = server.setup
        self.known = known
        self.output = b""  # of commands, without the secrets that they show once

    def run(self) -> None:
        app, person = self.administer()
        with self.server.http() as http:
            oauth = OAuth(http, app)
            self.use(oauth, person)
            self.misuse(oauth, person)
            self.break_down(oauth, person)
        self.use_pages()
        self.use_admin_api()
        self.rotate_keys()
        with self.server.http() as http:
            self.use(OAuth(http, app), person)
            http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})

    def command(self, *arguments: str, given: str = "", shows: str = "") -> Any:
        """Run a command with --json. The member `shows` is a secret: it is kept, and struck from the output."""
        done = self.server.run(*arguments, "--json", given=given)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        output = done.stdout
        if shows:
            self.known.keep("client secret", document[shows])
            output = output.replace(document[shows], "")
        self.output += (output + done.stderr).encode()
        return document

    def administer(self) -> tuple[App, Person]:
        password, later = (AWKWARD + secrets.token_hex(8) for _ in range(2))
        for text in (password, later):
            self.known.keep("password", text)
        arguments = ("--id", "busy", "--name", "Busy", "--scope", "read write", "--allow-password-grant")
        first = self.command("clients", "add", "--kind", "web", *arguments, shows="client_secret")
        second = self.command("clients", "rotate-secret", "busy", shows="client_secret")
        self.command("clients", "edit", "busy", "--retry-window", "45s")
        self.command("users", "add", "anna", "--password-stdin", given=password + "\n")
        self.command("users", "set-password", "anna", "--password-stdin", given=later + "\n")
        refused = self.server.run("users", "add", "anna", "--password-stdin", given=later + "\n")
        assert refused.returncode == 1
        self.output += refused.stderr.encode()
        with self.server.http() as http:  # the secret before the last still works
            self.known.keep_tokens(OAuth(http, App("busy", first["client_secret"])).sign_in(Person("", "anna", later)))
        return App("busy", second["client_secret"]), Person("", "anna", later)

    def use(self, oauth: OAuth, person: Person) -> None:
        keep = self.known.keep_tokens
        tokens = keep(oauth.sign_in(person, device_name="A phone"))
        session_id = claims(tokens["access_token"])["sid"]
        self.setup.back_date(session_id, 60)
        second = keep(oauth.refresh(tokens["refresh_token"], scope="read"))
        keep(oauth.refresh(second["refresh_token"]))
        keep(oauth.refresh(tokens["refresh_token"]))
        self.setup.back_date(session_id, 60)
        keep(oauth.refresh(second["refresh_token"]))
        self.setup.back_date(session_id, 60)
        assert oauth.refresh(tokens["refresh_token"]).status_code == 400, "reuse"
        other = keep(oauth.sign_in(person))
        assert oauth.revoke(other["refresh_token"]).status_code == 200
        assert oauth.revoke(keep(oauth.sign_in(person))["access_token"]).status_code == 200

    def use_pages(self) -> None:
        """Use the pages as an administrator does, rightly and wrongly, with every secret that signs in there."""
        link = self.command("admin", "create", "root", "--link", shows="url")["url"]
        with self.server.http() as http:
            visitor = Visitor(http, self.server.url)
            password = self.set_password_with(visitor, link)
            for login, typed in (("root", self.a_password()), (self.a_password(), password)):
                assert visitor.sign_in(Person("", login, typed)).status_code == 403
            assert visitor.sign_in(Person("", "root", password)).status_code == 303
            cookie = http.cookies["authserver"]
            self.known.keep("cookie of a visit", cookie)
            self.known.keep("secret of a visit", base64.urlsafe_b64decode(cookie)[16:])
            form = {"csrf_token": visitor.token_of("/admin/clients/show?client=busy"), "overlap": "3600"}
            self.known.keep("form token", form["csrf_token"])
            assert visitor.post("/admin/clients/secret?client=busy", form).status_code == 303
            (secret,) = set(re.findall(r"ascs_[\w-]+", visitor.follow().text))
            self.known.keep("client secret", secret)
            person = self.setup.a_person()
            visitor.post(f"/admin/users/{person.id}/password-link", form)
            assert visitor.page is not None
            (link,) = set(re.findall(r"http://[^/]+/account/password/[\w-]{43}", visitor.page.text))
            later = self.a_password()
            change = {"old_password": password, "new_password": later, "repeated_password": later}
            assert visitor.post("/account/password", {**form, **change}).status_code == 303
            self.set_password_with(visitor, link)

    def set_password_with(self, visitor: Visitor, link: str) -> str:
        path, password = urlsplit(link).path, self.a_password()
        self.known.keep("link for a password", path.rpartition("/")[2])
        visitor.get(path)
        assert visitor.submit(path, {"new_password": password, "repeated_password": password}).status_code == 303
        return password

    def a_password(self) -> str:
        password = AWKWARD + secrets.token_hex(8)
        self.known.keep("password", password)
        return password

    def use_admin_api(self) -> None:
        """Use the admin API as a program does. Each creation comes twice under one key: the server keeps its answer."""
        with self.server.http() as http:
            api = a_program(self.setup, http)
            self.known.keep("access token", api.token)
            client = {"kind": "service", "client_name": "A service"}
            user = {"username": "beata", "password": self.a_password()}
            for path, body in (("/clients", client), ("/users", user)):
                first, again = (api.post(path, body, key=f"once {path}".replace(" ", "-")) for _ in range(2))
                assert first.status_code == 201, first.text
                assert again.json() == first.json()
                if path == "/clients":
                    self.known.keep("client secret", first.json()["client_secret"])
                else:
                    user_id = first.json()["id"]
            assert api.post(f"/users/{user_id}/password", {"password": self.a_password()}).status_code == 200
            assert api.post(f"/users/{user_id}/password", {"password": self.a_password()[:7]}).status_code == 400
            link = api.post(f"/users/{user_id}/password-link").json()["url"]
            self.known.keep("link for a password", link.rpartition("/")[2])

    def misuse(self, oauth: OAuth, person: Person) -> None:
        """Send secrets that are wrong, cut short or in the wrong place. They may be real secrets of a user."""
        tokens = self.known.keep_tokens(oauth.sign_in(person))
        refresh_token, access_token = tokens["refresh_token"], tokens["access_token"]
        wrong = AWKWARD + secrets.token_hex(8)
        self.known.keep("wrong password", wrong)
        secret = oauth.app.secret
        assert secret is not None
        as_another = oauth.as_app(App("busy", wrong))
        attempts = [
            oauth.sign_in(Person("", person.username, wrong)),
            oauth.sign_in(Person("", wrong, person.password)),
            oauth.sign_in(Person("", "nobody", person.password)),
            as_another.sign_in(person),
            oauth.as_app(App(wrong, secret)).sign_in(person),
            oauth.as_app(self.setup.an_app()).refresh(refresh_token),
            oauth.refresh(refresh_token[:-4] + "AAAA"),
            oauth.refresh(access_token),
            oauth.refresh(refresh_token, scope=wrong),
            oauth.refresh(refresh_token, resource=secret),
            oauth.sign_in(person, device_name="x" * 500, scope=refresh_token),
            oauth.token(grant_type=refresh_token, password=wrong),
            oauth.http.post("/token", params={"refresh_token": refresh_token, "password": wrong}),
            oauth.http.post(f"/token/{refresh_token}"),
            oauth.http.get("/revoke", params={"token": access_token}, headers={"Authorization": f"Bearer {access_token}"}),
            oauth.http.post("/token", json={"refresh_token": refresh_token, "client_secret": secret}),
            oauth.http.post("/token", content=urlencode({"refresh_token": refresh_token}) * 2, headers={
                "Content-Type": "application/x-www-form-urlencoded", "User-Agent": "A browser", **oauth.app.basic}),
            oauth.http.get("/metrics", headers={"Authorization": f"Bearer {wrong}".encode()}),
        ]  # fmt: skip
        for attempt in attempts:
            assert 400 <= attempt.status_code < 500, attempt.text
            assert traces({"the answer": attempt.content}, self.known.secrets) == []
        assert self.server.raw(b"POST /token HTTP/1.1\r\nX: " + refresh_token.encode() + b"\x00\r\n\r\n")[0] == 400

    def break_down(self, oauth: OAuth, person: Person) -> None:
        """Cause errors whose tracebacks and statements are logged."""
        tokens = self.known.keep_tokens(oauth.sign_in(person))
        for table in ("users", "sessions"):
            self.setup.sql(f"ALTER TABLE {table} RENAME TO away")
            for attempt in (oauth.sign_in(person), oauth.refresh(tokens["refresh_token"])):
                assert traces({"the answer": attempt.content}, self.known.secrets) == []
            if table == "sessions":
                assert oauth.refresh(tokens["refresh_token"]).status_code >= 500
            self.setup.sql(f"ALTER TABLE away RENAME TO {table}")
        self.known.keep_tokens(oauth.refresh(tokens["refresh_token"]))

    def rotate_keys(self) -> None:
        self.keep_keys()
        for kind in ("signing", "token", "opaque"):
            self.command("keys", "rotate", "--kind", kind, "--now")
        active = self.command("keys", "list")
        for key in active:
            if key["state"] == "active":
                self.command("keys", "leaked", str(key["id"]), "--yes")
        self.keep_keys()
        self.command("sessions", "list", "--all")
        self.command("audit", "list")
        self.output += self.server.run("settings", "show").stdout.encode()

    def keep_keys(self) -> None:
        """Keep the opened keys of the key table, and the key that opens them."""
        vault = open_vault(self.setup.settings)
        for row in self.setup.sql("SELECT kind, kid, sealed FROM keys WHERE sealed IS NOT NULL"):
            secret = vault.open(bytes(row.sealed), purpose=f"{row.kind}:{row.kid or ''}")
            if row.kind == "signing":
                self.known.keep("private key", json.loads(secret)["d"])
                self.known.keep("private key, raw", base64.urlsafe_b64decode(json.loads(secret)["d"] + "=="))
            elif row.kind == "opaque":
                self.known.keep("key of opaque tokens", secret)
            else:
                self.known.keep("tag key", secret[:32])
                self.known.keep("successor key", secret[32:])
        master_key = self.setup.settings.master_key_file.read_text().strip()
        self.known.keep("master key", master_key)
        self.known.keep("master key, raw", base64.urlsafe_b64decode(master_key + "=="))


def what_is_kept(server: LiveServer, run: BusyRun) -> dict[str, bytes]:
    """Everything that the run wrote: the database as a dump and on disk, the logs, and the output of commands."""
    written = {"the server's log": server.log.read_bytes(), "what commands printed": run.output}
    setup = server.setup
    if setup.kind == "postgresql":
        postgres = postgres_or_skip()
        assert setup.settings.database.url is not None
        written["the dump"] = postgres.dump(setup.settings.database.url.get_secret_value().replace("+psycopg", ""))
        if isinstance(postgres, Cluster):
            written["PostgreSQL's log"] = postgres.log.read_bytes()
        return written
    with sqlite3.connect(setup.settings.data_dir / "authserver.db") as connection:
        written["the dump"] = "\n".join(connection.iterdump()).encode()
    connection.close()
    for path in sorted(Path(setup.settings.data_dir).iterdir()):
        written[path.name] = path.read_bytes()
    assert "authserver.db-wal" in written
    return written


@on_both_databases
@pytest.mark.slow
def test_no_secret_is_in_the_database_or_in_a_log(server: LiveServer):
    known = KnownSecrets()
    run = BusyRun(server, known)
    run.run()
    known.keep("metrics token", METRICS_TOKEN)
    # A planted value must be found: as the name of a device, and as the id of an unknown client.
    planted = "planted-" + secrets.token_hex(8)
    with server.http() as http:
        person = server.setup.a_person()
        assert OAuth(http, server.setup.an_app()).sign_in(person, device_name=planted).status_code == 200
        OAuth(http, App(planted, "x" * 8)).own_token()
    written = what_is_kept(server, run)
    assert len(known.secrets) > 80
    assert b'"level": "debug"' in written["the server's log"] or b'"level": "info"' in written["the server's log"]

    assert traces(written, known.secrets) == []
    found = traces(written, {"the planted value": planted.encode()})
    for place in ("the dump", "the server's log"):
        assert any(trace.startswith(f"the planted value in {place}, as plain") for trace in found)
    assert b"$argon2" not in written["the server's log"]


@pytest.mark.parametrize(
    "secret",
    [AWKWARD.encode(), secrets.token_bytes(32), secrets.token_urlsafe(33).encode()],
    ids=["awkward", "bytes", "token"],
)
def test_the_search_finds_a_secret_in_every_form_and_at_every_place(secret: bytes):
    around = [b"", b"a", b"bc", b"def"]
    for form, encoded in forms(secret):
        assert traces({"data": b"before" + encoded + b"behind"}, {"it": secret}), form
    for before in around:
        for behind in around:
            whole = before + secret + behind
            for encoded in (base64.b64encode(whole), base64.urlsafe_b64encode(whole), whole.hex().encode()):
                assert traces({"data": encoded}, {"it": secret}), (before, behind, encoded)
    assert traces({"data": secret[:-1] + bytes([secret[-1] ^ 1])}, {"it": secret}) == []
