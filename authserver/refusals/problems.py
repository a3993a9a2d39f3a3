"""What is wrong with a value that was given. The faces show the text, and find the field by its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or that deserves a second thought.

    `field` is the name of the field that it is about, in the words of the use case, or empty. The text does not begin
    with it. `for_command_line` is an end of the text that helps at a terminal only.
    """

    text: str
    field: str = ""
    for_command_line: str = ""

    def __str__(self) -> str:
        """The line of a command."""
        return self.line + self.for_command_line

    @property
    def line(self) -> str:
        """Field and text, for where nothing else shows which field it is."""
        return f"{self.field}: {self.text}" if self.field else self.text
