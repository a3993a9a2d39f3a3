"""The first line of a CSV file: what it says of the others, or by name why it cannot be read."""

from __future__ import annotations

import csv
from typing import NamedTuple, Protocol

#: The bytes of a line: more than the longest values of a user together; a file of another kind has no line ends at all.
LONGEST = 16 * 1024
BOM = b"\xef\xbb\xbf"

TOO_LONG = f"is longer than {LONGEST:,} bytes"
NOT_UTF8 = "is not text in UTF-8"
NO_CSV = "is no CSV: a quotation mark is left open or is not doubled within a cell, or a CR is no part of a line end"


class Source(Protocol):
    """What lines are read from: a file, or the body of a request."""

    def readline(self, size: int, /) -> bytes: ...


class BrokenRecord(Exception):
    """The record that begins in `line` breaks the rules."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class Header(NamedTuple):
    """What the first record says: the cells that name the columns, and how the others are to be read."""

    names: list[str]
    separator: str
    next_line: int


def read_header(source: Source) -> Header:
    """The first record, which is one line.

    Raises:
        BrokenRecord: this is no CSV in UTF-8; `str()` says what it looks like.
    """
    line = 1
    while (raw := source.readline(LONGEST + 1)).removeprefix(BOM).isspace():
        line += 1
    cells = raw.removeprefix(BOM)
    if not cells:
        raise BrokenRecord(line, "is missing: the file is empty")
    if b"\0" in cells:
        raise BrokenRecord(line, "is not text in UTF-8, but looks like UTF-16: save the file as CSV in UTF-8")
    if b"\r" in cells.rstrip():
        raise BrokenRecord(line, "ends in CR alone: save the file with LF or CR LF as line ends")
    if len(raw) > LONGEST:
        raise BrokenRecord(line, TOO_LONG)
    try:
        # Excel writes semicolons where the comma belongs to numbers.
        separator = max(",;", key=cells.decode().count)
    except UnicodeDecodeError:
        raise BrokenRecord(line, NOT_UTF8) from None
    try:
        names = cells_of(cells.decode(), separator)
    except csv.Error:
        raise BrokenRecord(line, NO_CSV) from None
    return Header(names, separator, line + 1)


def cells_of(line: str, separator: str) -> list[str]:
    """Raises `csv.Error` for a line that is no CSV."""
    return next(csv.reader([line], delimiter=separator, strict=True), [])
