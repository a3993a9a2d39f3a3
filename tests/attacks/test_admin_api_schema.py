"""The served OpenAPI document against the live admin API: no failure, and no answer that is not documented."""

from __future__ import annotations

import pytest

from tests.support.schemathesis_run import check_admin_api
from tests.support.setup import Setup


@pytest.mark.slow
def test_no_generated_request_makes_the_server_fail_or_say_what_is_not_documented(setup: Setup):
    assert check_admin_api(setup, examples=4, seed=4) > 1000
