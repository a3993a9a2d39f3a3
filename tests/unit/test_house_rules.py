"""The house rules of the code as tests: each rule finds its breaches in a file, and finds an example breach."""

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from tests.support.source_files import ROOT, SourceFile, source_files

LONGEST_FILE = 300

REQUEST_GLOBALS = {"request", "g", "session", "current_app"}
SQL_WORDS = {"select", "insert", "update", "delete", "text", "exists", "union", "union_all", "literal_column"}
ORM_HANDLES = {"Session", "scoped_session", "sessionmaker"}

# Files that speak SQL under another name than model.py or store.py, each with its reason.
SQL_FILES: dict[str, str] = {
    "authserver/database/engine.py": "the engine, the clock and the transactions",
    "authserver/database/schema.py": "the advisory lock around a migration",
    "authserver/records/audit.py": "its table, its one insert and its one query make a single file",
    "authserver/records/activity.py": "its table, the counting and the few statements of it make a single file",
    # These files of sessions/ are about their statements. The statements of the hot path are in sessions/store.py.
    "authserver/sessions/ending.py": "ends sessions inside the transaction of another act",
    "authserver/sessions/listing.py": "a user's own sessions",
    "authserver/sessions/opening.py": "the sign-in's locks and insert",
    "authserver/sessions/retention.py": "deleting ended sessions in batches",
    "authserver/sessions/recovery.py": "recoveries, and what they have done",
    "authserver/sessions/sweep.py": "carrying marks into sessions in batches",
    "authserver/database/status_indices.py": "leasing status indices",
    "authserver/database/batches.py": "deleting a batch of any table",
    "authserver/database/transfer.py": "copies rows of any table",
    "authserver/database/leases.py": "its table and its two statements make a single file",
    "authserver/database/heartbeat.py": "its few statements on the table of leases",
    "authserver/database/origin.py": "its table and its one statement make a single file",
    "authserver/tokens/status_list.py": "the one query that a status list is built from",
}
# Files outside the rooms of pages and faces that may touch Flask's request globals, each with its reason.
REQUEST_FILES: dict[str, str] = {
    "authserver/operations/exposition.py": "an endpoint itself: /metrics asks for its bearer token",
}


Breaches = Iterator[str]


def long_files(file: SourceFile) -> Breaches:
    lines = file.text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{file.path} has {lines} lines, more than {LONGEST_FILE}"


def authlib_outside_oauth(file: SourceFile) -> Breaches:
    if not file.inside("authserver/oauth"):
        yield from (f"{file.path}:{line} imports {m}" for line, m, _ in file.imports() if _is(m, "authlib"))


def request_globals_in_the_core(file: SourceFile) -> Breaches:
    allowed = (
        "authserver/oauth/adapter.py",
        "authserver/pages",
        "authserver/web_apps",
        "authserver/account",
        "authserver/admin_api",
        "authserver/console",
        *REQUEST_FILES,
    )
    if file.inside(*allowed):
        return
    for line, module, name in file.imports():
        if _is(module, "flask") and name in REQUEST_GLOBALS:
            yield f"{file.path}:{line} imports flask.{name}"
    for line, owner, name in file.attributes():
        if owner == "flask" and name in REQUEST_GLOBALS:
            yield f"{file.path}:{line} uses flask.{name}"


def commits_outside_the_database_file(file: SourceFile) -> Breaches:
    if file.path.as_posix() == "authserver/database/engine.py":
        return
    yield from (f"{file.path}:{line} calls commit" for line, _, name in file.attributes() if name == "commit")
    for node in ast.walk(file.tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"\s*commit\b.*", node.value, re.IGNORECASE)
        ):
            yield f"{file.path}:{node.lineno} says COMMIT"


def orm_sessions_outside_the_database_file(file: SourceFile) -> Breaches:
    if file.path.as_posix() == "authserver/database/engine.py":
        return
    for line, module, name in file.imports():
        if _is(module, "sqlalchemy") and name in ORM_HANDLES:
            yield f"{file.path}:{line} imports {name}: here a session is one sign-in of one user"
    for line, owner, name in file.attributes():
        if name == "session" and owner in {"db", "database", "sqlalchemy"}:
            yield f"{file.path}:{line} uses {owner}.session: here a session is one sign-in of one user"


def imports_of_the_application(file: SourceFile) -> Breaches:
    if file.inside("authserver/app.py", "authserver/__main__.py", "authserver/demo"):
        return
    for line, module, name in file.imports():
        if _is(module, "authserver.app") or (module == "authserver" and name == "app"):
            yield f"{file.path}:{line} imports the application, which only entry points and tests may"


def sql_outside_the_stores(file: SourceFile) -> Breaches:
    if file.path.name in {"model.py", "store.py"} or file.inside(*SQL_FILES):
        return
    for line, module, name in file.imports():
        if _is(module, "sqlalchemy") and name in SQL_WORDS:
            yield f"{file.path}:{line} imports {name}: SQL stands in model.py and store.py"
    for line, owner, name in file.attributes():
        if owner in {"sqlalchemy", "sa"} and name in SQL_WORDS:
            yield f"{file.path}:{line} uses {name}: SQL stands in model.py and store.py"


def rows_without_types(file: SourceFile) -> Breaches:
    for line, module, name in file.imports():
        if _is(module, "sqlalchemy") and name in {"Row", "RowMapping"}:
            yield f"{file.path}:{line} imports {name}: a row is typed as its record (database/tables.one_row)"


def several_grants_or_endpoints_in_a_file(file: SourceFile) -> Breaches:
    for folder, ending in (("grants", "Grant"), ("endpoints", "Endpoint")):
        if file.inside(f"authserver/oauth/{folder}"):
            found = [
                node.name for node in file.tree.body if isinstance(node, ast.ClassDef) and node.name.endswith(ending)
            ]
            if len(found) > 1:
                yield f"{file.path} holds {', '.join(found)}: one a file"


def library_and_server_mixed(file: SourceFile) -> Breaches:
    other = "authserver" if file.inside("sdk") else "authserver_resource"
    yield from (f"{file.path}:{line} imports {m}" for line, m, _ in file.imports() if _is(m, other))


def switched_off_measurement(file: SourceFile) -> Breaches:
    for number, line in enumerate(file.text.splitlines(), 1):
        if re.search(r"#\s*(pragma:\s*no\s+cover|type:\s*ignore(?!\[)|noqa(?!:))", line, re.IGNORECASE):
            yield f"{file.path}:{number} switches a check off without naming it"


def undeclared_dependencies(file: SourceFile) -> Breaches:
    known = sys.stdlib_module_names | {"authserver"} | _declared_modules()
    for line, module, _ in file.imports():
        if module.split(".")[0] not in known:
            yield f"{file.path}:{line} imports {module}, which pyproject.toml does not declare"


def _is(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@functools.cache
def _declared_modules() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    declared = {_plain(re.split(r"[\[<>=~!; ]", requirement)[0]) for requirement in wanted}
    provided = importlib.metadata.packages_distributions()
    return {module for module, names in provided.items() if declared & {_plain(name) for name in names}}


@dataclass(frozen=True)
class Rule:
    find: Callable[[SourceFile], Breaches]
    # A breach that the rule must find, and its path.
    path: str
    breach: str
    # A path where the same text is right, or None.
    home: str | None


RULES = [
    Rule(long_files, "authserver/app.py", "x = 1\n" * 301, None),
    Rule(
        authlib_outside_oauth,
        "authserver/tokens/a.py",
        "def f():\n    from authlib.jose import jwt",
        "authserver/oauth/a.py",
    ),
    Rule(
        authlib_outside_oauth, "authserver/app.py", "import authlib.oauth2.rfc6749 as o", "authserver/oauth/grants/a.py"
    ),
    Rule(request_globals_in_the_core, "authserver/users/a.py", "from flask import g", "authserver/pages/a.py"),
    Rule(
        request_globals_in_the_core,
        "authserver/oauth/a.py",
        "import flask\nflask.request.form",
        "authserver/oauth/adapter.py",
    ),
    Rule(
        commits_outside_the_database_file,
        "authserver/users/store.py",
        "connection.commit()",
        "authserver/database/engine.py",
    ),
    Rule(
        commits_outside_the_database_file, "authserver/keys/store.py", "run('COMMIT')", "authserver/database/engine.py"
    ),
    Rule(
        orm_sessions_outside_the_database_file,
        "authserver/keys/store.py",
        "db.session.add(key)",
        "authserver/database/engine.py",
    ),
    Rule(
        orm_sessions_outside_the_database_file,
        "authserver/keys/store.py",
        "from sqlalchemy.orm import Session",
        "authserver/database/engine.py",
    ),
    Rule(
        imports_of_the_application,
        "authserver/oauth/a.py",
        "from authserver.app import create_app",
        "authserver/demo/a.py",
    ),
    Rule(imports_of_the_application, "authserver/keys/a.py", "from .. import app", "authserver/__main__.py"),
    Rule(
        sql_outside_the_stores,
        "authserver/sessions/rotation.py",
        "from sqlalchemy import update",
        "authserver/sessions/store.py",
    ),
    Rule(
        sql_outside_the_stores,
        "authserver/administration/a.py",
        "import sqlalchemy as sa\nsa.text('x')",
        "authserver/users/model.py",
    ),
    Rule(rows_without_types, "authserver/users/store.py", "from sqlalchemy import Row", None),
    Rule(
        several_grants_or_endpoints_in_a_file,
        "authserver/oauth/grants/a.py",
        "class OneGrant: pass\nclass TwoGrant: pass",
        "authserver/oauth/a.py",
    ),
    Rule(library_and_server_mixed, "sdk/python/a.py", "import authserver.keys", "authserver/a.py"),
    Rule(library_and_server_mixed, "authserver/a.py", "import authserver_resource", "sdk/python/a.py"),
    Rule(switched_off_measurement, "authserver/a.py", "x = 1  # type: " + "ignore", None),
    Rule(switched_off_measurement, "authserver/a.py", "x = 1  # pragma: no " + "cover", None),
    Rule(undeclared_dependencies, "authserver/a.py", "import left_pad", None),
]
# The folders of rules that check other folders than the server and the library for APIs.
FOLDERS: dict[Callable[[SourceFile], Breaches], tuple[str, ...]] = {
    long_files: ("authserver", "benchmarks", "sdk", "tests"),
    request_globals_in_the_core: ("authserver",),
    undeclared_dependencies: ("authserver",),
}


@pytest.mark.parametrize("find", dict.fromkeys(rule.find for rule in RULES), ids=lambda find: find.__name__)
def test_the_code_holds_the_rule(find: Callable[[SourceFile], Breaches]) -> None:
    folders = FOLDERS.get(find, ("authserver", "sdk/python/authserver_resource"))
    endings = (".py", ".js") if find is long_files else (".py",)
    assert [breach for file in source_files(*folders, endings=endings) for breach in find(file)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.find.__name__}: {rule.breach[:40]!r}")
def test_the_rule_finds_its_breach_and_spares_its_home(rule: Rule) -> None:
    assert list(rule.find(SourceFile(PurePosixPath(rule.path), rule.breach)))
    if rule.home:
        assert not list(rule.find(SourceFile(PurePosixPath(rule.home), rule.breach)))


def test_every_exception_to_a_rule_is_still_needed() -> None:
    assert [path for path in [*SQL_FILES, *REQUEST_FILES] if not (ROOT / path).is_file()] == []


def test_the_locks_name_no_host_and_hash_everything() -> None:
    for lock in sorted([*(ROOT / "requirements").glob("*.txt"), *(ROOT / "examples").glob("*/requirements.txt")]):
        text = lock.read_text()
        assert re.findall(r"^\s*--(?!hash=sha256:).*|\w+://.*|(?<![\w.])/\w+/.*", text, re.MULTILINE) == [], lock.name
        for requirement in re.split(r"\n(?=\w)", text):
            assert "==" not in requirement or "--hash=sha256:" in requirement, requirement
