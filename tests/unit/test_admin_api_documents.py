"""The documents of the admin API, as they are read from rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from authserver.admin_api.users import User


def test_a_row_that_cannot_be_shown_is_not_quoted_in_the_log():
    row = SimpleNamespace(id=1, username="anna", email=None, enabled=True, password_hash="$argon2id$secret")
    shown = User.model_validate(SimpleNamespace(**vars(row), roles={"editor"}, created_at=0, changed_at=0))
    assert (shown.has_password, shown.roles, shown.created_at) == (True, ["editor"], "1970-01-01T00:00:00.000Z")
    with pytest.raises(ValidationError) as caught:
        User.model_validate(row)
    assert "roles" in str(caught.value)
    assert "argon2id" not in f"{caught.value}{caught.value!r}"
