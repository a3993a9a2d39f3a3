"""base64url has one spelling for each value: another one in a token, a cookie or an id would pass unseen by a comparison."""

import pytest

from authserver.base64url import decode, encode

RAW = bytes([0xFB, 0xEF, 0xBE, 0xFF, 0xFF])  # `-` and `_`, and a last character with bits that carry nothing
TEXT = "----__8"


def test_a_value_has_one_spelling():
    assert encode(RAW) == TEXT
    assert decode(TEXT) == RAW
    assert decode(encode(b"")) == b""


@pytest.mark.parametrize(
    "text",
    ["+---__8", "----/_8", TEXT + "=", TEXT + "==", "----__9", TEXT + "\n", " " + TEXT, "--=--__8", TEXT + "é", "--\0--__8", "x"],
    ids=ascii,
)  # fmt: skip
def test_another_spelling_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        decode(text)
