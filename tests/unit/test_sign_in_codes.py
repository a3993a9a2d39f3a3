"""The form of one-time sign-in codes, and what people may type for one."""

from __future__ import annotations

import math
import random

import pytest

from authserver.throttling.slots import Slots
from authserver.users.sign_in_codes import new_code, typed


def test_codes_differ_and_read_back_as_they_are():
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(typed(code) == code for code in codes)


def test_codes_differ_in_49_bits():
    """Each sign comes up at each place."""
    columns = [set(signs) for signs in zip(*(new_code().replace("-", "") for _ in range(3000)), strict=True)]
    assert int(sum(math.log2(len(signs)) for signs in columns)) == 49


def test_codes_follow_from_no_seed():
    codes = set()
    for _ in range(2):
        random.seed(1)
        codes.add(new_code())
    assert len(codes) == 2


def test_the_digest_of_a_code_needs_the_key():
    code = new_code()
    ours, again, theirs = (Slots(key * 32).code(code) for key in (b"1", b"1", b"2"))
    assert ours == again != theirs


@pytest.mark.parametrize("text", ["7KQ2M-XW9RD", "7kq2mxw9rd", " 7KQ2M XW9RD ", "7kq2-mxw-9rd", "7KQ2M\tXW9RD"])
def test_case_blanks_and_hyphens_do_not_count(text: str):
    assert typed(text) == "7KQ2M-XW9RD"


@pytest.mark.parametrize("text", ["", "7KQ2M", "7KQ2M-XW9RD2", "7KQ2M-XW9R0", "7KQ2M-XW9Rß", "7KQ2M-XW9R\0"])
def test_what_can_be_no_code_is_none(text: str):
    assert typed(text) is None
