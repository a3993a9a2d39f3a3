"""CSV of RFC 4180 in bounded memory: a cell in quotation marks may hold separators, line ends and doubled marks.

A record that breaks these rules ends the reading. Readers differ in where such a record ends, so the next line may be
the inside of one of its cells.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

#: The most bytes of a record, more than a user's longest values take. Without a bound, a quotation mark that is left
#: open makes one record of the rest of the file.
LONGEST = 16 * 1024
BOM = b"\xef\xbb\xbf"
_TOLD = re.compile(rb'"?sep=([,;\t])"?\r*\n', re.IGNORECASE)

TOO_LONG = f"is longer than {LONGEST:,} bytes"
NOT_UTF8 = "is not text in UTF-8: save the file as CSV UTF-8 (Excel: that type of file; others: the encoding UTF-8)"
#: Between cells. Excel writes semicolons where the comma belongs to numbers, and tabs as "text".
_SEPARATORS = ",;\t"
_FORMULA = (
    'has a cell of the form ="…", which only spreadsheets read: format the column as text, and save the file again'
)
_NO_CSV = "is no CSV: a quotation mark is left open or is not doubled within a cell, or a CR is no part of a line end"


class Source(Protocol):
    """A source of lines: a file, or the body of a request."""

    def readline(self, size: int, /) -> bytes: ...


class BrokenRecord(Exception):
    """The record that begins in `line` breaks the rules. Nothing after it may be read."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


class Header(NamedTuple):
    """The first record: its cells, which name the columns, the separator, and the line of the next record."""

    names: list[str]
    separator: str
    next_line: int


def read_header(source: Source) -> Header:
    """The first record, which is one line. A line `sep=;` before it, which Excel reads and hides, names the separator.

    Raises:
        BrokenRecord: the file is not CSV in UTF-8; `str()` says what it looks like.
    """
    line = 1
    while (raw := source.readline(LONGEST + 1)).removeprefix(BOM).isspace():
        line += 1
    cells, told = raw.removeprefix(BOM), ""
    if (match := _TOLD.fullmatch(cells)) is not None:
        told, line = match[1].decode(), line + 1
        cells = raw = source.readline(LONGEST + 1)
    if not cells:
        raise BrokenRecord(line, "is missing: the file is empty")
    if b"\0" in cells:
        raise BrokenRecord(line, "is not text in UTF-8, but looks like UTF-16: save the file as CSV in UTF-8")
    if b"\r" in cells.rstrip():
        raise BrokenRecord(line, "ends in CR alone: save the file with LF or CR LF as line ends")
    if len(raw) > LONGEST:
        raise BrokenRecord(line, TOO_LONG)
    try:
        separator = told or max(_SEPARATORS, key=cells.decode().count)
    except UnicodeDecodeError:
        raise BrokenRecord(line, NOT_UTF8) from None
    _, names = _read_record(io.BytesIO(cells), line, separator)
    return Header(names, separator, line + 1)


def read_records(source: Source, header: Header) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record after the header, with the number of its first line. Empty lines are skipped.

    Bytes that are not UTF-8 become lone surrogates, so that the other records can still be read.

    Raises:
        BrokenRecord: the reading ends at this record.
    """
    line = header.next_line
    while True:
        count, cells = _read_record(source, line, header.separator)
        if not count:
            return
        if cells:
            yield line, cells
        line += count


def _read_record(source: Source, line: int, separator: str) -> tuple[int, list[str]]:
    """The number of lines of the next record, and its cells."""
    taken = bytearray()

    def lines() -> Iterator[str]:
        """The reader asks for one line, and for more while a quotation mark is open."""
        while raw := source.readline(LONGEST + 1 - len(taken)):
            taken.extend(raw)
            if len(taken) > LONGEST:
                raise BrokenRecord(line, TOO_LONG)
            yield raw.decode(errors="surrogateescape")

    reader = csv.reader(lines(), delimiter=separator, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error:
        raise BrokenRecord(line, _NO_CSV) from None
    # Strict or not, csv takes a mark within an unquoted cell for a letter, and ends the record at the next line end.
    # Text before a mark ends with a separator if the mark opens a cell, and is empty if it is the second of a pair.
    if any(part and not part.endswith(separator.encode()) for part in taken.split(b'"')[:-1:2]):
        raise BrokenRecord(line, _FORMULA if re.search(rb'(?:^|[,;\t])="', taken) else _NO_CSV)
    return reader.line_num, cells if taken.strip() else []
