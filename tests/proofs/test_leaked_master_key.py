"""The recipe "The master key has leaked" of docs/keys.md, line by line, on two nodes at work. The thief tries everything."""

from __future__ import annotations

import base64
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from authserver_resource import VerificationError, Verifier

from authserver.keys.setup import open_vault
from tests.support.admin_api import a_program
from tests.support.forwarder import Forwarder
from tests.support.hasher import until
from tests.support.keys import settings_of
from tests.support.oauth import App, OAuth
from tests.support.proof import Proof
from tests.support.rolling import Balancer, RollingClient, at_work
from tests.support.server import ROOT, LiveServer
from tests.support.setup import API, Setup, make_setup
from tests.support.thief import MESSAGE, Thief
from tests.support.visitor import Visitor

JWKS_MAX_AGE = 2  # seconds
NODES = 2

pytestmark = pytest.mark.postgresql


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = make_setup("postgresql", tmp_path)
    made.an_api()
    yield made
    made.close()


def recipe() -> list[str]:
    """The commands of the document, without its comments."""
    section = (ROOT / "docs" / "keys.md").read_text().partition("\n### The master key has leaked\n")[2]
    block = section.partition("```sh\n")[2].partition("```\n")[0]
    return [line for line in (line.partition("#")[0].strip() for line in block.splitlines()) if line]


@dataclass
class Site:
    """Nodes behind an address that is the issuer, and the operator who types the commands."""

    setup: Setup
    address: Forwarder
    environment: dict[str, str]
    balancer: Balancer = field(init=False)

    def __post_init__(self) -> None:
        self.balancer = Balancer([self._node(None).start() for _ in range(NODES)])
        self.address.lead_to(self.balancer.nodes[0].port)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.address.port}"

    @property
    def nodes(self) -> list[LiveServer]:
        return self.balancer.nodes

    def do(self, line: str, client_id: str) -> None:
        """Type a line of the recipe. Its files are in the setup's folder, and CLIENT is this one."""
        match shlex.split(line):
            case ["export", *values]:
                for name, _, file in (value.partition("=") for value in values):
                    self.environment[name] = str(self.setup.directory / file)
            case ["unset", *names]:
                for name in names:
                    del self.environment[name]
            case ["systemctl", "restart", "authserver"]:
                for old in self.nodes:
                    self.address.lead_to(next(node.port for node in self.nodes if node is not old))
                    self.balancer.replace(old, self._node(old.port))
            case ["authserver", *words]:
                ran = self.nodes[0].run(*[client_id if word == "CLIENT" else word for word in words])
                assert ran.returncode == 0, ran.stderr
            case _:
                subprocess.run(["bash", "-c", line], cwd=self.setup.directory, check=True)

    def _node(self, port: int | None) -> LiveServer:
        fast = {"AUTHSERVER_ISSUER": self.issuer, "AUTHSERVER_KEYS__JWKS_MAX_AGE": str(JWKS_MAX_AGE)}
        return LiveServer(self.setup, workers=1, port=port, **fast, **self.environment)


@pytest.fixture
def site(setup: Setup) -> Iterator[Site]:
    present = setup.directory / "present.key"
    present.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    present.chmod(0o600)
    with Forwarder(0) as address:
        made = Site(setup, address, {"AUTHSERVER_MASTER_KEY_FILE": str(present)})
        yield made
        made.balancer.stop()


@dataclass
class Victims:
    """What the thief aims at: each attack has a session of its own, so that one does not hide another."""

    honest: RollingClient
    used: str  # a used refresh token of that session
    ended: str  # a session that the thief tries to end
    asking: App
    visitor: Visitor

    def __post_init__(self) -> None:
        self._access_token = self.honest.access_token

    def opaque_is_accepted(self, site: Site, thief: Thief) -> bool:
        form = {"token": thief.opaque_token(self._access_token)}

        def is_active(node: LiveServer) -> bool:
            with node.http() as http:
                return bool(OAuth(http, self.asking).post("/introspect", form).json()["active"])

        return any(map(is_active, site.nodes))

    def access_token_is_accepted(self, verifier: Verifier, thief: Thief) -> bool:
        try:
            return verifier.verify(thief.access_token(self._access_token)).subject == "somebody-else"
        except VerificationError:
            return False

    def accepted(self, site: Site, verifier: Verifier, thief: Thief) -> set[str]:
        """The attacks that succeed."""
        node, secret = site.nodes[0], thief.answer()
        given = App(secret["client_id"], secret["client_secret"])
        self.visitor.http.cookies.set("authserver-flash", thief.page_message())
        with node.http() as http:
            oauth = OAuth(http, self.honest.app)
            oauth.refresh(thief.reused_token(self.ended))
            succeeds = {
                "an access token": self.access_token_is_accepted(verifier, thief),
                "an opaque token": self.opaque_is_accepted(site, thief),
                "a computed refresh token": oauth.refresh(thief.current_token(self.used)).status_code == 200,
                "an ended session": site.setup.session(self.ended).revoked_at is not None,
                "a reference": node.run("why", thief.reference()).returncode == 0,
                "a message on a page": MESSAGE in self.visitor.get("/account/").text,
                "a client's secret": oauth.as_app(given).own_token().status_code == 200,
            }
        return {attack for attack, did in succeeds.items() if did}


def victims_of(clients: list[RollingClient], asking: App, visitor: Visitor) -> Victims:
    honest, other = clients
    for client in clients:
        client.sign_in()
    used = honest.refresh_token
    honest.refresh()
    return Victims(honest, used, other.session_id, asking, visitor)


def gets_a_trusted_token(client: RollingClient, site: Site) -> bool:
    """Refresh, and check the token by the keys of now. For a few seconds a node still signs with a key that is gone."""
    client.refresh()
    try:
        return Verifier(site.issuer, API).verify(client.access_token).session_id == client.session_id
    except VerificationError:
        return False


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """A browser at a node that keeps its address, whatever master key it has."""
    with site.nodes[0].http() as http:
        yield Visitor(http, site.issuer)


def test_leaked_master_key(proof: Proof, setup: Setup, site: Site, visitor: Visitor):
    """The master key and a copy of the database are stolen; the recipe of docs/keys.md on two nodes at work."""
    person, app, asking = setup.a_person(), setup.an_app(public=True), setup.an_app(kind="service")
    setup.sql("UPDATE apis SET client_id = :id WHERE audience = :audience", id=asking.client_id, audience=API)
    with site.nodes[0].http() as http:
        body = {"client_name": "A program's client", "kind": "service", "scope": "read"}
        added = a_program(setup, http).post("/clients", body, key="once")
        assert added.status_code == 201, added.text
    made = [RollingClient(site.balancer, setup, app, person, proof.seed + n) for n in range(proof.amount(4, 12))]
    before, after, clients = made[:2], made[2:4], made[2:]
    assert visitor.sign_in(person).status_code == 303
    aims = [victims_of(pair, asking, visitor) for pair in (before, after)]
    for client in clients[2:]:
        client.sign_in()
    thief = Thief(setup, open_vault(settings_of(setup, master_key=(setup.directory / "present.key").read_text())))
    verifier = Verifier(site.issuer, API)
    until(lambda: aims[0].opaque_is_accepted(site, thief))  # a node has noticed which client introspects for the API
    assert len(aims[0].accepted(site, verifier, thief)) == 7, "each attack succeeds before the recipe"

    first, *rest = recipe()
    with at_work(clients) as look:
        site.do(first, "")
        began = time.monotonic()
        until(lambda: not aims[1].opaque_is_accepted(site, thief))
        nodes_noticed = time.monotonic() - began
        until(lambda: not aims[1].access_token_is_accepted(verifier, thief))
        apis_noticed = time.monotonic() - began
        for line in rest:
            site.do(line, thief.answer()["client_id"])
            look()
        took = time.monotonic() - began
    until(lambda: all(node.is_ready() for node in site.nodes))
    assert aims[1].accepted(site, verifier, thief) == set()
    assert not thief.opens_a_key_of(setup), "a copy of today is of no use with the old master key"
    for client in clients:
        until(lambda client=client: gets_a_trusted_token(client, site))
    ended = {str(row.id) for row in setup.sql("SELECT id FROM sessions WHERE revoked_at IS NOT NULL")}
    assert ended == {aims[0].ended}, "the thief ended one before the recipe, and nothing else ended any"
    assert "sign-in" not in str(visitor.get("/account/").headers.get("location")), "visits go on"

    proof.figure("from the first command until every node refuses a forged opaque token", f"{nodes_noticed:.1f} s")
    proof.figure(
        f"from the first command until the library refuses a forged JWT (keys.jwks_max_age = {JWKS_MAX_AGE})",
        f"{apis_noticed:.1f} s",
    )
    proof.figure(f"the whole recipe, with three restarts of {NODES} nodes", f"{took:.1f} s")
    refreshes, put_off = (sum(getattr(client, name) for client in clients) for name in ("refreshes", "put_off"))
    proof.figure("refreshes meanwhile; nobody was signed out", f"{refreshes:,}")
    proof.figure("answers 503, which clients repeated", f"{put_off:,}")
