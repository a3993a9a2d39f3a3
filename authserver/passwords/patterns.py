"""Whether a password is a repetition or a sequence: of the alphabet, of digits, of keys beside each other."""

from __future__ import annotations

from itertools import groupby, pairwise

# Rows and columns of the keyboards that most people have: American, German, French, Russian.
_ROWS = (
    "1234567890", "!@#$%^&*()", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",
    "wxcvbn", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,",
    "9ol.", "0p;/",
)  # fmt: skip
_SHORTEST_RUN = 3
_SHORTEST_UNIT = 8
# Longer than every common password.
_LONGEST_UNIT = 32
_FEWEST_STEPS = 5


def _key_steps() -> dict[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], frozenset[str]] = {}
    for row in _ROWS:
        for line in (row, row[::-1]):
            for pair in pairwise(line):
                found[pair] = found.get(pair, frozenset()) | {line}
    return found


_KEY_STEPS = _key_steps()
_NO_STEPS: frozenset[str] = frozenset()


def unit(text: str) -> str:
    """The shortest beginning that the whole text repeats, at least twice; the text itself if there is none or a long one."""
    lengths = range(1, min(len(text) // 2, _LONGEST_UNIT) + 1)
    return next((text[:length] for length in lengths if text.startswith(text[length:])), text)


def is_repetition(folded: str) -> bool:
    """Whether the text repeats a few characters."""
    return len(unit(folded)) < min(_SHORTEST_UNIT, len(folded))


def is_sequence(folded: str) -> bool:
    """Whether the text is made of a few sequences, and hardly anything else."""
    return _steps(folded) < _FEWEST_STEPS


def _steps(text: str) -> int:
    """How many things there are to remember: a sequence counts as one, and so does a character that is in none.

    A character that comes several times in a row counts once.
    """
    single = "".join(character for character, _ in groupby(text))
    steps = start = 0
    while start < len(single):
        end, common = start + 1, None
        while end < len(single):
            kinds = _kinds(single[end - 1], single[end])
            common = kinds if common is None else common & kinds
            if not common:
                break
            end += 1
        start = end if end - start >= _SHORTEST_RUN else start + 1
        steps += 1
    return steps


def _kinds(one: str, other: str) -> frozenset[str]:
    """The sequences in which one character stands directly before another."""
    kinds = _KEY_STEPS.get((one, other), _NO_STEPS)
    distance = ord(other) - ord(one)
    return kinds | {"up" if distance == 1 else "down"} if abs(distance) == 1 else kinds
