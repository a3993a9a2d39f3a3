"""Records of CSV: the end of each, by a second implementation of RFC 4180, and how much is read of a file."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authserver.administration.csv_records import LONGEST, BrokenRecord, read_header, read_records

Reading = tuple[list[tuple[int, list[str]]], int | None]

_CELL = r'(?:"(?:[^"]|"")*"|[^",\r\n]*)'
#: Section 2 of RFC 4180, with the line ends that files have.
_RECORD = re.compile(rf"(?P<cells>{_CELL}(?:,{_CELL})*)(?:\r*\n|\r*\Z)")


def read(text: str, header: str = "username,email") -> Reading:
    """The records below a header, and the line in which a broken one begins."""
    source = io.BytesIO(f"{header}\n{text}".encode())
    found = []
    try:
        for record in read_records(source, read_header(source)):
            found.append(record)  # noqa: PERF402 - what came before the error counts
    except BrokenRecord as broken:
        return found, broken.line
    return found, None


def read_by_grammar(text: str) -> Reading:
    found: list[tuple[int, list[str]]] = []
    position = 0
    while position < len(text):
        line = 2 + text.count("\n", 0, position)
        record = _RECORD.match(text, position)
        if record is None:
            return found, line
        if record[0].encode().strip():
            cells = re.findall(rf",({_CELL})", "," + record["cells"])
            found.append((line, [c[1:-1].replace('""', '"') if c.startswith('"') else c for c in cells]))
        position = record.end()
    return found, None


@given(st.text(alphabet='",a\n\r \v\u2028;', max_size=40))
@example('"a""\nb,\n""c",')
@example('a"b,"\nb,\n",c')
@example(' "a\nb,\n"')
@example("a\rb\r")
@example("a\r\r\nb")
def test_a_file_is_read_as_the_grammar_has_it_up_to_the_record_that_breaks_it(text: str):
    assert read(text) == read_by_grammar(text)


@given(st.lists(st.lists(st.text(max_size=9), min_size=2, max_size=2), max_size=5), st.sampled_from(",;"))
def test_as_many_records_are_read_as_were_written_with_any_cells(rows: list[list[str]], separator: str):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(rows)
    found, broken = read(text.getvalue(), f"username{separator}email")
    assert ([cells for _, cells in found], broken) == (rows, None)


@pytest.mark.parametrize("line", ["x" * 99 + "\n", "\n", "x" * 100_000, '""\n'])
def test_a_mark_left_open_is_told_by_its_line_and_takes_no_more_of_a_file_than_one_record(line: str):
    rest = line * (200_000 // len(line))
    assert read('anna,\n"bob",\n') == ([(2, ["anna", ""]), (3, ["bob", ""])], None)
    assert read(f'anna,\n"bob,\n{rest}') == ([(2, ["anna", ""])], 3)
    source = io.BytesIO(f'username,email\n"bob,\n{rest}'.encode())
    with pytest.raises(BrokenRecord):
        next(read_records(source, read_header(source)))
    assert source.tell() < len("username,email\n") + LONGEST + 2


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_record_may_be_as_long_as_the_bound_and_no_longer(end: str):
    cell = "x" * (LONGEST - len(",") - len(end))
    assert read(f"{cell},{end}") == ([(2, [cell, ""])], None)
    assert read(f"{cell}x,{end}") == ([], 2)
