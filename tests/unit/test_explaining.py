"""A reference is found in any pasted text, and a text without one gets a helpful answer."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from authserver.administration.errors import Invalid
from authserver.administration.explaining import explain, reference_in
from authserver.keys.vault import Vault
from authserver.refusals.reasons import Reason
from authserver.refusals.references import LENGTH, References, Refusal

VAULT = Vault(b"k" * 32)
REFERENCE = References(VAULT.reference_key()).seal(Refusal(Reason.WRONG_SECRET, 1_700_000_000_000, "shop"))


#: What a node of the version before made for `shop`. A node is replaced, and people still have its references.
OLD_REFERENCE = (
    "tmFwK4T2Ea1YAbxxZwHsXNHi7ez_T0qGNnizQDQzk8ft0Iqh0f-8QPWKrVJgWm5SuLIKxtaVLxR9mSUdNT2uHOD33Fhvv617d0YcYHvrebOWSg"
)


@pytest.mark.parametrize("pasted", [OLD_REFERENCE, f"reference={OLD_REFERENCE}, at 12:00"])
def test_a_reference_of_the_version_before_is_opened(pasted: str):
    assert explain(VAULT, pasted) == Refusal(Reason.WRONG_SECRET, 1_700_000_000_000, "shop", UUID(int=7))


@pytest.mark.parametrize(
    "pasted",
    [
        REFERENCE,
        f"  {REFERENCE}\n",
        f'"{REFERENCE}",',
        json.dumps({"error": "invalid_client", "reference": REFERENCE}),
        json.dumps({"error": "invalid_client", "reference": f" {REFERENCE} "}, indent=2),
        f'HTTP 401: {{"error": "invalid_client", "reference": "{REFERENCE}"}} at 12:00',
        f"reference={REFERENCE} and once more {REFERENCE}",
    ],
)
def test_a_reference_is_found_where_it_stands(pasted: str):
    assert reference_in(pasted) == REFERENCE
    assert explain(VAULT, pasted).reason is Reason.WRONG_SECRET


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        ("", "paste the reference"),
        (" \n ", "paste the reference"),
        ("hello", "there is no reference in this text"),
        (REFERENCE[:-1], "there is no reference in this text"),
        (REFERENCE + "x", "there is no reference in this text"),
        ('{"error": "invalid_grant"}', "no member `reference`"),
        ('{"reference": 7}', "no member `reference`"),
        ("[" * 10_000, "there is no reference in this text"),
        (f"{REFERENCE} {REFERENCE[::-1]}", "several references"),
        ("A" * LENGTH, "not a reference of this server"),
        ('{"reference": "<script>"}', "not a reference of this server"),
    ],
)
def test_what_is_no_reference_is_told_so(pasted: str, says: str):
    with pytest.raises(Invalid, match=says):
        explain(VAULT, pasted)
