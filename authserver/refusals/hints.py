"""A text that says what is wrong, and the command that helps: people at a terminal want both, callers of the API only the first."""

from __future__ import annotations

from typing import Self


class Hinted(str):
    """A text whose end is for the command line. As a str it is whole; `plain` is what is true everywhere."""

    __slots__ = ("plain",)
    plain: str

    def __new__(cls, plain: str, for_command_line: str) -> Self:
        text = super().__new__(cls, plain + for_command_line)
        text.plain = plain
        return text


class About(str):
    """A text that does not begin with the name of the field that it is about, which a program wants to know all the same."""

    __slots__ = ("field",)
    field: str

    def __new__(cls, field: str, text: str) -> Self:
        made = super().__new__(cls, text)
        made.field = field
        return made


def plain(text: str) -> str:
    """The text without what only the command line can do."""
    return text.plain if isinstance(text, Hinted) else text
