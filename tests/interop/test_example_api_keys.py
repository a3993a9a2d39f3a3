"""The example API's key cache: when it asks the issuer, and what it does without an answer."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.interop.issuer import Issuer, Key
from tests.interop.programs import EXAMPLE

HOUR = 3600.0


@pytest.fixture(scope="module")
def bearer() -> Iterator[ModuleType]:
    """The example's module, loaded by path because it is not in a package."""
    spec = importlib.util.spec_from_file_location("example_api_bearer", EXAMPLE / "bearer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def issuer() -> Issuer:
    return Issuer("http://127.0.0.1:8001")


def test_a_key_that_is_new_is_fetched_once_the_pause_is_over(bearer: ModuleType, issuer: Issuer) -> None:
    patient = bearer.Keys(issuer.url, max_age=HOUR, cooldown=HOUR)
    eager = bearer.Keys(issuer.url, max_age=HOUR, cooldown=0)
    with issuer.online():
        assert patient.find("first") is not None
        assert eager.find("first") is not None
        issuer.published.append(Key("second"))

        assert patient.find("second") is None
        assert eager.find("second") is not None
        assert issuer.fetches == 3


def test_a_key_that_the_issuer_withdrew_is_dropped(bearer: ModuleType, issuer: Issuer) -> None:
    keys = bearer.Keys(issuer.url, max_age=0, cooldown=0)
    with issuer.online():
        assert keys.find("first") is not None
        issuer.published[:] = [Key("second")]
        assert keys.find("first") is None


def test_keys_stay_in_use_while_they_cannot_be_fetched_again(bearer: ModuleType, issuer: Issuer) -> None:
    keys = bearer.Keys(issuer.url, max_age=0, cooldown=0)
    with issuer.online():
        assert keys.find("first") is not None

    assert keys.find("first") is not None
    # The API cannot know now whether the unknown key is good, so it must not answer "bad token".
    with pytest.raises(bearer.KeysUnavailableError):
        keys.find("second")


def test_an_issuer_that_never_answers_is_given_up(bearer: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        keys = bearer.Keys(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        with pytest.raises(bearer.KeysUnavailableError):
            keys.find("first")


@pytest.mark.parametrize("published", [[], None], ids=["no key", "one without a name"])
def test_a_useless_answer_leaves_the_keys_as_they_are(
    bearer: ModuleType, issuer: Issuer, published: list[Key] | None
) -> None:
    keys = bearer.Keys(issuer.url, max_age=0, cooldown=0)
    with issuer.online():
        assert keys.find("first") is not None
        issuer.published[:] = [Key("")] if published is None else published
        assert keys.find("first") is not None
