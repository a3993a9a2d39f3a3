"""A client's fields are declared once. Every other place has exactly those, and a new field appears there by itself."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import click
import jinja2
import pytest

from authserver.admin_api import clients_models as api
from authserver.admin_api.route import Document
from authserver.cli.clients_register import add, edit, registration_options
from authserver.cli.types import with_options
from authserver.clients.fields import FIELDS, KINDS, Field, Input, Registration, declare, declared
from authserver.clients.grants import GRANTS
from authserver.clients.model import Client, ClientRecord
from authserver.console import client_form, clients_edit
from authserver.console.client_form import ClientForm
from authserver.oauth.grants import grant_classes
from authserver.pages.texts import span
from tests.support.server import ROOT

#: Columns of a client that the server itself sets.
OF_THE_SERVER = {
    "secret_digest", "previous_secret_digest", "previous_secret_expires_at", "secret_used_at", "previous_secret_used_at",
    "enabled", "epoch", "swept_epoch", "status_index", "created_at", "changed_at", "removed_at",
}  # fmt: skip
MEMBERS = {field.member for field in FIELDS.values()}
FIXED = {field.member for field in FIELDS.values() if field.fixed}
#: RFC 7591 has one method only. It can be given, and is shown beside our list of methods.
ONE_METHOD = {"token_endpoint_auth_method"}


def parameters(command: click.Command) -> dict[str, click.Parameter]:
    return {parameter.name: parameter for parameter in command.params if parameter.name}


def test_the_row_has_a_column_for_each_field_and_else_what_is_the_servers_own():
    assert set(ClientRecord.__table__.columns.keys()) == FIELDS.keys() | OF_THE_SERVER


def test_a_request_looks_up_nothing_else_than_columns():
    assert {each.name for each in fields(Client)} <= {*ClientRecord.__table__.columns.keys(), "secret_digests"}


def test_the_admin_api_takes_and_shows_every_field():
    assert api.ClientCreation.model_fields.keys() == MEMBERS | ONE_METHOD
    assert api.ClientValues.model_fields.keys() == (MEMBERS | ONE_METHOD) - {"client_id"}
    assert api.ClientChanges.model_fields.keys() == (MEMBERS | ONE_METHOD) - FIXED
    shown = {"enabled", "previous_secret_expires_at", "created_at", "changed_at"}
    assert api.Client.model_fields.keys() == MEMBERS | ONE_METHOD | shown


def test_the_command_line_has_an_option_for_each_field():
    assert parameters(add).keys() == FIELDS.keys() | {"allow_password_grant", "json"}
    changing = {name for name in parameters(edit) if not name.startswith(("add_", "remove_", "no_"))}
    assert changing == (FIELDS.keys() | {"json"}) - {"kind"}


def test_the_form_asks_for_every_field_that_can_be_changed_and_has_its_label():
    assert client_form.ASKED.keys() == FIELDS.keys() - {"client_id", "kind"}
    assert ClientForm.labels == {name: field.label for name, field in FIELDS.items() if name != "kind"}
    assert len({field.label for field in FIELDS.values()}) == len(FIELDS)


def test_what_the_doctor_advises_are_options():
    tree = ast.parse((ROOT / "authserver/administration/doctor/clients.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_edit"]
    advised = {word.arg for call in calls for word in call.keywords if word.arg}
    assert {"remove_grant", "retry_window"} <= advised
    options = {option for parameter in edit.params for option in parameter.opts}
    assert {f"--{name.replace('_', '-')}" for name in advised} <= options


def test_every_grant_that_is_served_is_declared_and_every_kind_is_known_everywhere():
    assert {grant.GRANT_TYPE for grant in grant_classes()} == GRANTS.keys()
    assert FIELDS["kind"].choices.keys() == KINDS.keys() == clients_edit.KINDS.keys()


# --- one more --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WithToys(Registration):
    colour: str | None = declare(
        input=Input.ONE, label="Colour", default=None, choices={"red": "warm", "blue": "cold"}, help="Of its icon."
    )
    nicknames: frozenset[str] = declare(
        input=Input.WORDS, label="Nicknames", default=frozenset(), longest=9, most=3, adds=True, help="Also its name."
    )
    naps: bool = declare(input=Input.SWITCH, label="Naps", default=False, box="It naps", option="--naps/--no-naps")


WITH_TOYS = declared(WithToys)
TOYS = {name: field for name, field in WITH_TOYS.items() if name not in FIELDS}
WITH_A_TOY_GRANT = {"grants": replace(FIELDS["grants"], choices={**FIELDS["grants"].choices, "toy": "For play."})}


def schema(found: Mapping[str, Field]) -> Any:
    @api.with_members(api.changeable(found))
    class Changes(Document):
        """What may be changed."""

    return Changes.model_json_schema()["properties"]


def command(found: Mapping[str, Field]) -> dict[str, click.Parameter]:
    @click.command()
    @with_options(*registration_options(found, editing=True))
    def edit_toys() -> None:
        """Change it."""

    return parameters(edit_toys)


def form(found: Mapping[str, Field], **state: list[str]) -> str:
    """What the page shows of fields."""
    folders = [ROOT / "authserver" / room / "templates" for room in ("console", "pages")]
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(folders), autoescape=True)
    pages.filters["span"] = span
    asked = pages.get_template("console/client_fields.html").module.asked  # type: ignore[attr-defined]
    return "".join(asked(ClientForm(dict(state)), field, {"retry_window": 30}, []) for field in found.values())


def test_a_field_more_is_in_the_api_the_command_line_and_the_form_by_its_declaration():
    members = schema(WITH_TOYS)
    assert members.keys() == api.ClientChanges.model_fields.keys() - ONE_METHOD | TOYS.keys()
    assert members["colour"]["anyOf"][0]["enum"] == ["red", "blue"]
    options = command(WITH_TOYS)
    assert TOYS.keys() | {"add_nicknames", "remove_nicknames"} <= options.keys()
    assert options["colour"].type.to_info_dict()["choices"] == ("red", "blue")
    page = form(TOYS, colour=["blue"], nicknames=["a", "b"], naps=["1"])
    assert '<option value="blue" selected>blue: cold</option>' in page
    assert 'name="nicknames" type="text" value="a b"' in page
    assert 'name="naps" type="checkbox" value="1" checked' in page
    toy = WithToys(client_id="shop", name="Shop", kind="web", grants=frozenset(), auth_methods=frozenset())
    assert toy.columns().keys() == WITH_TOYS.keys()


def test_a_grant_more_is_in_the_api_the_command_line_and_the_form():
    assert "toy" in schema(WITH_A_TOY_GRANT)["grant_types"]["items"]["enum"]
    for name in ("grants", "add_grants", "remove_grants"):
        assert "toy" in command(WITH_A_TOY_GRANT)[name].type.to_info_dict()["choices"]
    assert 'value="toy"' in form(WITH_A_TOY_GRANT)


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.choices])
def test_a_value_that_is_no_choice_is_in_the_form_and_said_to_be_unknown(name: str):
    page = form({name: FIELDS[name]}, **{name: ["newer"]})
    assert "does not know it" in page
    assert 'value="newer" checked' in page or '<option value="newer" selected>' in page
    assert "does not know it" not in form({name: FIELDS[name]}, **{name: [next(iter(FIELDS[name].choices))]})
