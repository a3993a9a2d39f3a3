"""The check of honest clients' answers (tests/support/roaming_clients.py) finds what must not happen."""

from uuid import UUID

from authserver.sessions.refresh_token import RefreshToken
from tests.support.roaming_clients import Attempt, problems


def token(generation: int, secret: bytes = b"s", session: int = 1) -> str:
    return RefreshToken(1, UUID(int=session), generation, secret * 32, b"t" * 16).encode()


def answers(*made: tuple[str, int, str | None]) -> list[Attempt]:
    return [Attempt(at, at + 0.5, *one) for at, one in enumerate(made)]


def test_rotations_kept_tokens_lost_answers_and_retries_are_fine():
    good = [(token(0), 200, token(1)), (token(1), 200, token(1)), (token(1), 0, None), (token(1), 503, None)]
    assert problems(answers(*good, (token(1), 200, token(2)), (token(1), 200, token(2)))) == []


def test_a_token_that_was_accepted_twice_is_found():
    assert problems(answers((token(0), 200, token(1)), (token(0), 200, token(1, b"x")))) == [
        "generation 0 was accepted twice, with two successors"
    ]


def test_a_refusal_a_lost_generation_and_a_foreign_session_are_found():
    assert problems(answers((token(3), 400, None))) == ["an honest client got 400"]
    assert problems(answers((token(3), 200, token(2)))) == ["generation 2 for 3"]
    assert problems(answers((token(3), 200, token(4, session=2)))) == ["generation 4 for 3"]
