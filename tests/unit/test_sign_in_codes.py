"""The form of one-time sign-in codes, and what people may type for one."""

from __future__ import annotations

import pytest

from authserver.users.sign_in_codes import new_code, typed


def test_codes_differ_and_read_back_as_they_are():
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(typed(code) == code for code in codes)


@pytest.mark.parametrize("text", ["7KQ2M-XW9RD", "7kq2mxw9rd", " 7KQ2M XW9RD ", "7kq2-mxw-9rd", "7KQ2M\tXW9RD"])
def test_case_blanks_and_hyphens_do_not_count(text: str):
    assert typed(text) == "7KQ2M-XW9RD"


@pytest.mark.parametrize("text", ["", "7KQ2M", "7KQ2M-XW9RD2", "7KQ2M-XW9R0", "7KQ2M-XW9Rß", "7KQ2M-XW9R\0"])
def test_what_can_be_no_code_is_none(text: str):
    assert typed(text) is None
