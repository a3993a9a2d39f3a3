"""The console's forms of clients, filled in as an administrator does, and the row that they make."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.console import Elements
from tests.support.forms import filled as fields_of
from tests.support.setup import Setup
from tests.support.visitor import Visitor


def client(setup: Setup, client_id: str) -> Any:
    (row,) = setup.sql("SELECT * FROM clients WHERE client_id = :id", id=client_id)
    return row


def words(page: httpx.Response) -> str:
    return Elements(page.text).words


def register(admin: Visitor, kind: str, /, **fields: Any) -> httpx.Response:
    """Fill the form of a kind and send it, with the values that the page has filled in."""
    path = f"/admin/clients/add/{kind}"
    admin.get(path)
    return submit(admin, path, **fields)


def submit(admin: Visitor, path: str, **fields: Any) -> httpx.Response:
    """Send the last page's form for a path with these fields changed; None leaves a field out."""
    form = {**filled(admin, path.partition("?")[0]), **fields}
    return admin.post(path, {name: value for name, value in form.items() if value is not None})


def filled(admin: Visitor, action: str) -> dict[str, Any]:
    """What a browser sends of an untouched form: inputs, areas, and what is chosen in lists."""
    assert admin.page is not None
    return fields_of(admin.page, action)
