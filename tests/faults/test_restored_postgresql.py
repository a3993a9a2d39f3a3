"""The procedure "Backups, and a database that went back in time" of docs/operating.md on PostgreSQL, command by command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from flask import Flask
from pydantic import SecretStr

from authserver.database.engine import open_database
from authserver.settings.values import DatabaseSettings
from tests.support.admin_api import a_program
from tests.support.missing_parts import missing
from tests.support.oauth import OAuth, Person, refused_as
from tests.support.postgres import Cluster
from tests.support.server import ROOT, ForkedServer, LiveServer
from tests.support.setup import Setup
from tests.support.token_answer import TokenAnswer, token_answer

WINDOW = 30  # seconds: the retry window of the clients

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


def blocks() -> list[str]:
    """The blocks of commands of the document that are not for SQLite, in their order."""
    section = (ROOT / "docs" / "operating.md").read_text().partition("\n### Make a backup\n")[2]
    found = re.findall(
        r"^( *)```sh\n(.*?)^ *```$", section.partition("\n### What happens to apps\n")[0], re.MULTILINE | re.DOTALL
    )
    texts = [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]
    return [text for text in texts if not text.startswith(("authserver backup", "authserver restore"))]


def with_address(setup: Setup, url: str) -> Setup:
    """The setup on another database. Its own connections are closed."""
    setup.database.dispose()
    settings = setup.with_settings(database=DatabaseSettings(url=SecretStr(url)))
    return replace(setup, settings=settings, database=open_database(Flask("restored"), settings, bounded=False))


def address(setup: Setup) -> str:
    assert setup.settings.database.url is not None
    return setup.settings.database.url.get_secret_value().replace("+psycopg", "")


class Operator:
    """Types blocks of the document, in one folder. What a block exports counts for the next ones too."""

    def __init__(self, cluster: Cluster, server: LiveServer) -> None:
        self._folder = server.setup.directory
        (self._folder / "server.log").symlink_to(server.log)
        programs = [str(Path(cluster.program("pg_dump")).parent), str(Path(sys.executable).parent)]
        ours = {
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            "PGHOST": str(cluster.directory),
            "PGPORT": str(cluster.port),
            "PGUSER": "postgres",
            "DATABASE_URL": address(server.setup),
            "REPLICATION_URL": cluster.admin_url,
        }
        self._environment = server.environment() | ours

    def does(self, block: str, *, until_one_fails: bool = True, **put_in: str) -> str:
        """Type a block and return what it printed. `put_in` has values of `export` by the name of their variable."""
        for name, value in put_in.items():
            block, count = re.subn(rf"(?<=^export {name}=)\S+$", value, block, flags=re.MULTILINE)
            assert count == 1
            self._environment[name] = value
        command = ["bash", *(["-e"] if until_one_fails else []), "-o", "pipefail", "-c", block]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not until_one_fails, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout

    def does_again(self, lines: list[str]) -> set[str]:
        """Do what these events of the log say was done; returns their names."""
        names = set()
        for event in map(json.loads, lines):
            names.add(event["event"])
            match event:
                case {"event": "user.disabled", "user_id": user}:
                    self.does(f"authserver users disable {user}")
                case {"event": "session.revoked", "session_id": None, "user_id": user}:
                    self.does(f"authserver sessions revoke --user {user}")
        return names


@dataclass
class Device:
    """An app with a session. It takes each new token, and keeps its own when it is told to wait."""

    oauth: OAuth
    tokens: list[TokenAnswer]

    @classmethod
    def of(cls, oauth: OAuth, person: Person) -> Device:
        return cls(oauth, [token_answer(oauth.sign_in(person))])

    @property
    def session_id(self) -> str:
        return self.tokens[0].session_id

    @property
    def status_list(self) -> str:
        uri: str = self.tokens[0].claims["status"]["status_list"]["uri"]
        return uri

    def refresh(self, setup: Setup) -> httpx.Response:
        """Refresh after the window, so that the token has to rotate."""
        setup.let_the_window_pass(self.session_id, WINDOW)
        return self.repeat()

    def repeat(self, *, which: int = -1) -> httpx.Response:
        """Refresh at once, with the newest token or another one."""
        response = self.oauth.refresh(self.tokens[which].refresh_token)
        if response.status_code == 200 and response.json()["refresh_token"] != self.tokens[-1].refresh_token:
            self.tokens.append(token_answer(response))
        return response


@dataclass
class Devices:
    """The apps of the story. All but `unknown` have a session in the backup."""

    present: list[Device]  # come while the recovery is on
    robbed: Device  # comes too, and an old token of it comes later
    absent: Device  # does not come
    ended: list[Device]  # were signed out after the backup: by themselves, by an administrator, with their user
    unknown: Device | None = None  # signed in after the backup

    @property
    def waiting(self) -> list[Device]:
        return [*self.present, self.robbed, self.absent]


class Story:
    """The installation, its operator and its apps. Each step is a method, in the order of the document."""

    def __init__(self, server: LiveServer, operator: Operator, http: httpx.Client) -> None:
        self.setup = server.setup
        self.server = server
        self.operator = operator
        self.http = http
        self.oauth = OAuth(http, self.setup.an_app(public=True))
        self.person, self.dismissed, self.blocked = (self.setup.a_person() for _ in range(3))
        one, other, robbed, absent, leaving = (Device.of(self.oauth, self.person) for _ in range(5))
        of_others = [Device.of(self.oauth, user) for user in (self.dismissed, self.blocked)]
        self.devices = Devices([one, other], robbed, absent, [leaving, *of_others])
        self.rotate(*self.devices.waiting, *self.devices.ended)
        self.began = ""

    def rotate(self, *devices: Device) -> None:
        for device in devices:
            before = len(device.tokens)
            assert device.refresh(self.setup).status_code == 200
            assert len(device.tokens) == before + 1

    def findings(self) -> set[str]:
        return {finding["check"] for finding in json.loads(self.server.run("doctor", "--json").stdout)}

    def live(self, devices: list[Device]) -> list[bool]:
        return [self.setup.session(device.session_id).revoked_at is None for device in devices]

    def makes_a_backup(self, block: str) -> None:
        """A recovery is on in the backup, and must not come back with it."""
        assert self.server.run("recover", "start").returncode == 0
        self.began = datetime.now(UTC).isoformat()
        self.operator.does(block.replace("/var/backups/base", "base"))
        folder = self.setup.directory
        assert (folder / "authserver.dump").stat().st_mode & 0o777 == 0o600
        assert (folder / "base" / "backup_manifest").exists()
        assert self.server.run("recover", "stop").returncode == 0

    def goes_on_for_a_while(self) -> None:
        """What is lost: two rotations of each app, a sign-in, and three ways to end a session."""
        for _ in range(2):
            self.rotate(*self.devices.waiting, *self.devices.ended)
        self.devices.unknown = Device.of(self.oauth, self.person)
        assert self.oauth.revoke(self.devices.ended[0].tokens[-1].refresh_token).status_code == 200
        administration = a_program(self.setup, self.http)
        for user, act in ((self.dismissed, "end-sessions"), (self.blocked, "disable")):
            assert administration.post(f"/users/{user.id}/{act}", key=act).status_code == 200
        assert all(refused_as(device.repeat(), "invalid_grant") for device in self.devices.ended)

    def restores(self, block: str) -> None:
        """Into the place that the document names. The recovery of the backup is ended."""
        self.server.stop()
        url = address(self.setup).rpartition("/")[0] + "/restored"
        self.operator.does(block, AUTHSERVER_DATABASE__URL=url)
        self.server.setup = self.setup = with_address(self.setup, url)
        assert json.loads(self.server.run("recover", "status", "--json").stdout)["on"] is True
        ran = [self.server.run("recover", "stop") for _ in range(2)]
        assert [(one.returncode, "no recovery is on" in one.stderr) for one in ran] == [(0, False), (1, True)]

    def tells_the_apps_to_wait(self) -> None:
        """A node that starts too early adopts nothing, and signs no app out."""
        self.server.start()
        for device in self.devices.waiting:
            later = device.refresh(self.setup)
            assert refused_as(later, "temporarily_unavailable", 503)
            assert later.headers["retry-after"] == str(WINDOW // 2)
        self.unknown_has_to_sign_in()
        assert "node.went-back" in self.findings()
        self.server.stop()

    def unknown_has_to_sign_in(self) -> None:
        assert self.devices.unknown is not None
        assert refused_as(self.devices.unknown.repeat(), "invalid_grant")

    def goes_through_the_log(self, block: str) -> None:
        assert self.live(self.devices.ended) == [True] * 3, "what was ended lives again"
        # A shell at which somebody types goes on after a command that fails.
        said = self.operator.does(block.replace("2026-01-31T04:00", self.began), until_one_fails=False)
        lines = [line for line in said.splitlines() if line.startswith("{")]
        assert self.operator.does_again(lines) == {"session.revoked", "user.disabled"}
        assert self.live(self.devices.ended) == [False] * 3
        assert self.live(self.devices.waiting) == [True] * 4

    def recovers(self, block: str) -> None:
        declare, serve, examine = block.splitlines()
        self.operator.does(declare)
        assert (serve, examine) == ("authserver serve", "authserver doctor")
        self.server.start()
        assert self.findings() & {"node.recovery", "node.went-back"} == {"node.recovery"}
        come = [*self.devices.present, self.devices.robbed]
        for device in come:
            adopted = token_answer(device.refresh(self.setup))
            assert (adopted.refresh_token, adopted.session_id) == (device.tokens[-1].refresh_token, device.session_id)
        self.rotate(*come)
        self.rotate(*self.devices.present)
        assert all(refused_as(device.refresh(self.setup), "invalid_grant") for device in self.devices.ended)
        self.unknown_has_to_sign_in()

    def finds_out_a_second_holder(self) -> None:
        """The adopted token has a successor now. It is good inside the window, for a lost answer, and not after it."""
        robbed = self.devices.robbed
        assert token_answer(robbed.repeat(which=-2)).refresh_token == robbed.tokens[-1].refresh_token
        assert self.live([robbed]) == [True]
        self.setup.let_the_window_pass(robbed.session_id, WINDOW)
        assert refused_as(robbed.repeat(which=-2), "invalid_grant")
        assert refused_as(robbed.repeat(), "invalid_grant")
        assert self.setup.session(robbed.session_id).revoked_because == "reuse"

    def ends_the_recovery(self, block: str) -> None:
        """The app that did not come is asked to sign in."""
        newcomer = Device.of(self.oauth, self.person)
        unknown = self.devices.unknown
        assert unknown is not None
        assert newcomer.status_list != unknown.status_list, "a lost session may have the next place in that list"
        look, stop = block.splitlines()
        assert "3 tokens of 3 sessions" in self.operator.does(look)
        assert "Ended 1 session." in self.operator.does(f"{stop} --yes")
        assert self.setup.session(self.devices.absent.session_id).revoked_because == "unseen"
        assert refused_as(self.devices.absent.refresh(self.setup), "invalid_grant")
        self.rotate(*self.devices.present, newcomer)
        assert "node.recovery" not in self.findings()


@pytest.fixture
def story(own_cluster: Cluster, on_own_cluster: Setup) -> Iterator[Story]:
    if shutil.which("jq") is None:
        missing("jq", "apt-get install jq")
    server = ForkedServer(on_own_cluster, workers=1).start()
    with server.http() as http:
        made = Story(server, Operator(own_cluster, server), http)
        yield made
    server.stop()
    made.setup.database.dispose()


def test_a_restored_postgresql_and_its_apps_go_on_as_the_document_says(story: Story):
    make, restore, go_through_the_log, recover, end = blocks()
    story.makes_a_backup(make)
    story.goes_on_for_a_while()
    story.restores(restore)
    story.tells_the_apps_to_wait()
    story.goes_through_the_log(go_through_the_log)
    story.recovers(recover)
    story.finds_out_a_second_holder()
    story.ends_the_recovery(end)
