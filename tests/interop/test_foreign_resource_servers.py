"""APIs in five languages, with unmodified libraries of other makers, accept our tokens and refuse fifteen bad ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.interop.conftest import AUDIENCE, SCOPES
from tests.interop.foreign.bad_tokens import BAD, Forger, the_servers_own_key
from tests.interop.foreign.programs import HERE, LIBRARIES, ROOT, ForeignApi, Library
from tests.interop.issuer import Issuer
from tests.support.oauth import OAuth
from tests.support.server import LiveServer

# The bad tokens that a library accepts by its own rules, and why. /strict adds the checks of docs/api-developers.md.
ACCEPTED: dict[tuple[str, str], str] = {
    ("go-oidc", "another type"): "it is made for ID tokens, which name no type",
    ("jsonwebtoken", "another type"): "it reads the type and leaves the verdict to the API",
    ("jsonwebtoken", "an unknown critical header"): "it reads `crit` and leaves the verdict to the API",
    ("pyjwt", "another type"): "it reads the type and leaves the verdict to the API",
}

ES256 = pytest.mark.parametrize("signing_server", ["ES256"], indirect=True)
MARKED = [
    pytest.param(library, id=library.name, marks=() if library.part == "python" else getattr(pytest.mark, library.part))
    for library in LIBRARIES
]


@pytest.fixture(scope="module")
def forger(signing_server: LiveServer) -> Iterator[Forger]:
    ours, stranger = Issuer(AUDIENCE), Issuer(AUDIENCE)
    ours.url, ours.key = signing_server.url, the_servers_own_key(signing_server.setup)
    stranger.key.kid = "strange"
    with stranger.online():
        yield Forger(ours, stranger)


@pytest.fixture(scope="module", params=MARKED)
def api(
    request: pytest.FixtureRequest, signing_server: LiveServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForeignApi]:
    library: Library = request.param
    started = ForeignApi(library, signing_server.url, AUDIENCE, tmp_path_factory.mktemp(library.name) / "api.log")
    yield started
    started.stop()


@ES256
def test_it_accepts_a_real_token_for_it_and_no_other(api: ForeignApi, signing_server: LiveServer) -> None:
    person = signing_server.setup.a_person(roles="editor")
    with signing_server.http() as http:
        oauth = OAuth(http, signing_server.setup.an_app(scopes=SCOPES))
        real = oauth.sign_in(person, scope="profile:read").json()["access_token"]
        for_another_api = oauth.sign_in(person, scope="other:read").json()["access_token"]

    answer = api.ask(real)
    assert (answer.status_code, answer.text) == (200, person.id)
    assert api.ask(for_another_api).status_code == 401


@ES256
@pytest.mark.parametrize("name", BAD)
def test_it_refuses_a_bad_token(api: ForeignApi, forger: Forger, name: str) -> None:
    assert api.ask(forger.ours.token()).status_code == 200
    make: Callable[[Forger], str] = BAD[name]

    answer = api.ask(make(forger))

    if (api.library.name, name) in ACCEPTED:
        assert answer.status_code == 200, (
            "the library refuses this now: remove it from the list and from docs/api-developers.md"
        )
        assert api.ask(forger.ours.token(), "/strict").status_code == 200
        answer = api.ask(make(forger), "/strict")
    assert answer.status_code == 401, answer.text
    assert forger.stranger.fetches == 0


@pytest.mark.parametrize(("language", "source"), [("go", "go/main.go"), ("rust", "rust/src/main.rs")])
def test_the_lines_that_the_docs_add_are_those_that_were_proven(language: str, source: str) -> None:
    page = (ROOT / "docs" / "api-developers.md").read_text()
    (lines,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert lines in (HERE / source).read_text()
