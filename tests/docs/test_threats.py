"""The list of threats is complete: each number of its sources stands there once, and a protection names its test."""

from __future__ import annotations

import re

import pytest

from tests.support.server import ROOT

PAGE = (ROOT / "docs" / "threats.md").read_text()


def _numbered(*counts: tuple[str, int]) -> list[str]:
    return [f"{section}.{number + 1}" for section, count in counts for number in range(count)]


#: The threats of RFC 6819 by their sections; 4.4.4 has no sections of its own.
RFC_6819 = [
    *_numbered(("4.1", 5), ("4.2", 4), ("4.3", 5), ("4.4.1", 13), ("4.4.2", 6), ("4.4.3", 6)),
    "4.4.4",
    *_numbered(("4.5", 4), ("4.6", 7)),
]
#: The recommendations and attacks of RFC 9700 by their sections.
RFC_9700 = [
    "2.1",
    *_numbered(("2.1", 2), ("2.2", 2)),
    *("2.3", "2.4", "2.5", "2.6"),
    *_numbered(("4", 17)),
]
#: The levels of the requirements of ASVS 5.0.0, in their order within each section.
ASVS = {
    "6.1": "122", "6.2": "111111112222", "6.3": "11223333", "6.4": "112233", "6.5": "22222333", "6.6": "2223", "6.7": "33",
    "6.8": "2222",
    "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22",
    "9.1": "111", "9.2": "1222",
    "10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333", "10.5": "22222", "10.6": "22", "10.7": "222",
}  # fmt: skip
SECTIONS = {
    "RFC 6819": RFC_6819,
    "RFC 9700": RFC_9700,
    **{
        f"ASVS 5.0.0, V{chapter}": [
            f"{section}.{number + 1} {level}"
            for section, levels in ASVS.items()
            if section.startswith(f"{chapter}.")
            for number, level in enumerate(levels)
        ]
        for chapter in (6, 7, 9, 10)
    },
}
UNPROTECTED = ("**Does not apply**", "**Not protected**")


def rows(section: str) -> list[list[str]]:
    """The cells of each row below the heading that begins so."""
    (found,) = re.findall(rf"^## {re.escape(section)}:.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for line in found.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_of_a_source_stands_there_once(section: str):
    has_levels = section.startswith("ASVS")
    assert [" ".join(row[: 1 + has_levels]) for row in rows(section)] == SECTIONS[section]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_protection_names_a_test(section: str):
    cells = [row[-2:] for row in rows(section)]
    assert [here for here, tests in cells if not here.startswith(UNPROTECTED) and "test_" not in tests] == []


def test_the_overview_leads_to_every_table():
    overview = (ROOT / "SECURITY.md").read_text()
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(anchors) == len(SECTIONS)
    assert [anchor for anchor in anchors if f"docs/threats.md#{anchor}" not in overview] == []
