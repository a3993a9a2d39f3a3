"""The documents are true: the links, commands, settings, metrics, tests and samples that they name exist."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from authserver.cli.command import command as authserver
from authserver.records import metrics
from authserver.records.audit import Event
from authserver.refusals.reasons import Reason
from authserver.sessions.values import Outcome
from authserver.settings.loading import fields_of
from authserver.settings.model import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").glob("*/*.md"),
        *(ROOT / "sdk").glob("*/*.md"),
        ROOT / "tests" / "README.md",
    ],
    key=lambda page: page.as_posix(),
)
GROUPS = {name.split(".")[0] for name in fields_of(Settings) if "." in name}
COMMAND = re.compile(r"(?<![\w./@-])authserver (?=[a-z-])[^`\n|]*")
#: Ends a command: the shell, a comment or a sentence goes on.
_PROSE_END = re.compile(r"\s(?:#|\u2026).*$|[)(;<>]\s.*$|\$\(.*$")


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without fenced blocks, whose contents are not links."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @property
    def code(self) -> list[str]:
        """Code spans and the lines of fenced and indented blocks."""
        fenced = re.findall(r"^```[a-z ]*\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
        return [
            *lines,
            *re.findall(r"`([^`\n]+)`", self.prose),
            *re.findall(r"^    (\S.*)$", self.prose.replace("\\\n", " "), re.MULTILINE),
        ]

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def anchors(self) -> set[str]:
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param)


def test_every_relative_link_leads_somewhere(page: Page):
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.path.parent / path).resolve() if path else page.path
        if not file.exists() or (anchor and anchor not in Page(file).anchors()):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize(
    ("map_", "folder"), [("docs/architecture.md", "authserver"), ("tests/README.md", "tests")], ids=["code", "tests"]
)
def test_every_file_that_a_map_names_exists(map_: str, folder: str):
    named = set(re.findall(r"`([\w.-]+/[\w./-]*)`", Page(ROOT / map_).prose))
    assert len(named) > 10
    assert [path for path in named if not any((base / path).exists() for base in (ROOT, ROOT / folder))] == []


def test_the_map_of_the_tests_has_every_folder_and_every_module_of_support():
    tests = ROOT / "tests"
    folders = {f"{path.parent.name}/" for path in tests.glob("*/test_*.py")}
    modules = {path.stem for path in (tests / "support").glob("[!_]*.py")}
    assert (folders | modules) - set(re.findall(r"`([\w/]+)`", (tests / "README.md").read_text())) == set()


@pytest.mark.parametrize("folder", ["authserver", "sdk/python", "tests", "benchmarks", "migrations", "examples"])
def test_every_page_and_section_that_the_code_points_to_exists(folder: str):
    files = [file for file in (ROOT / folder).rglob("*.py") if ".venv" not in file.parts]
    pointers = {
        found for file in files for found in re.findall(r'(docs/[\w/-]+\.md)(?:, "([^"]+)")?', file.read_text())
    }
    missing = [path for path, _ in pointers if not (ROOT / path).exists()]
    assert missing == []
    titles = {path: re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE) for path, _ in pointers}
    assert [(path, title) for path, title in pointers if title and title not in titles[path]] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_floors_are_drawn_as_import_linter_has_them(page: str):
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (floors,) = [contract["layers"] for contract in linter["contracts"] if contract["id"] == "floors"]
    assert "".join(f"    {floor}\n" for floor in floors) in (ROOT / page).read_text()


def test_every_command_exists_with_its_options(page: Page):
    assert [f"{line}: {problem}" for line in _commands(page) if (problem := command_problem(line))] == []


def test_every_setting_exists(page: Page):
    known = set(fields_of(Settings))
    dotted = {
        name
        for code in page.code
        for name in re.findall(r"(?<![\w./-])([a-z]+\.[a-z][a-z0-9_]*)(?![\w(./-])", code)
        if name.split(".")[0] in GROUPS and not name.endswith((".db", ".json", ".md", ".py", ".toml"))
    }
    variables = {"AUTHSERVER_" + name.upper().replace(".", "__") for name in known}
    extra = {"AUTHSERVER_CONFIG", "AUTHSERVER_RESOURCE"}  # the latter is a Django setting of the library
    named = {name.removesuffix("_FILE") for name in re.findall(r"\bAUTHSERVER_[A-Z0-9_]+\b", page.text)}
    assert dotted - known - {event.value for event in Event} == set()
    assert named - variables - extra == set()


def test_every_metric_exists(page: Page):
    named = set(re.findall(r"\bauthserver_[a-z_]+\b", page.text)) - {"authserver_resource"}
    assert named - set(_metrics()) == set()


def test_every_metric_is_documented():
    page = Page(ROOT / "docs" / "operating.md")
    rows = {row.split("`")[1]: row for row in page.text.splitlines() if row.startswith("| `authserver_")}
    assert set(rows) == set(_metrics())
    outcomes = set(re.findall(r"`(\w+)`", rows["authserver_rotations_total"]))
    assert {outcome.value for outcome in Outcome} <= outcomes
    watched = set(re.findall(r"`(\w+)`", rows["authserver_refusals_total"].split("|")[-2]))
    assert watched <= {reason.name.lower() for reason in Reason}


def test_every_audit_event_that_is_named_exists(page: Page):
    known = {event.value for event in Event}
    nouns = {name.split(".")[0] for name in known}
    named = {event for code in page.code for event in re.findall(r"--event (\S+)", code)}
    assert named - known - nouns - {"EVENT"} == set()


def test_every_test_that_is_named_exists(page: Page):
    defined = {
        name
        for folder in (ROOT / "tests", ROOT / "sdk" / "python" / "tests")
        for file in folder.rglob("test_*.py")
        for name in [file.stem, *re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)]
    }
    invented = {"test_a_reused_refresh_token_ends_its_session"}  # CONTRIBUTING's example, which exists as well
    assert set(re.findall(r"\btest_\w+", page.text)) - defined - invented == set()


def test_every_make_target_exists(page: Page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for code in page.code
        if (call := re.match(r"make ([a-z][a-z ]*)", code))
        for word in call[1].split("  ")[0].split()
    }
    assert named - targets == set()


def test_the_samples_in_python_are_python(page: Page):
    for block in page.blocks("python"):
        ast.parse(block)


def test_nothing_is_left_open(page: Page):
    # In two halves, so that this line does not find itself.
    assert re.findall(r"\b(TO" r"DO|FIX" r"ME|TB" r"D)\b", page.text) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("authserver clients edit CLIENT --late-retries 1", None),
        ("authserver audit list --event session.reuse", None),
        ("authserver clients polish CLIENT", "no command polish"),
        ("authserver clients edit CLIENT --polish", "no option --polish"),
        ("authserver clients edit --late-retries 1", "too few arguments"),
        ("authserver serve now", "too many arguments"),
        ("authserver keys rotate --kind refresh", "--kind is none of signing, token, opaque"),
    ],
)
def test_a_wrong_command_would_be_found(line: str, problem: str | None):
    assert command_problem(line) == problem


def command_problem(line: str) -> str | None:
    """What is wrong with a command line of a page, or None. Checks choices, but no other values."""
    words = shlex.split(line)[1:]
    node: click.Command = authserver
    while isinstance(node, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = node.get_command(click.Context(node), name)
        if found is None:
            return f"no command {name}"
        node = found
    options = {flag: option for option in node.params if isinstance(option, click.Option) for flag in _flags(option)}
    # `authserver users add` in a sentence is a name; its arguments are left out.
    given, is_named_only = 0, not words
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            given += 1
        elif word in ("--help", "-h", "--version"):
            return None
        elif word not in options:
            return f"no option {word}"
        elif not options[word].is_flag:
            values, words = words[: options[word].nargs], words[options[word].nargs :]
            kind = options[word].type
            if isinstance(kind, click.Choice) and not values[0].isupper() and values[0] not in kind.choices:
                return f"{word} is none of {', '.join(kind.choices)}"
    return None if is_named_only else _arguments_problem(node, given)


def _arguments_problem(node: click.Command, given: int) -> str | None:
    arguments = [parameter for parameter in node.params if isinstance(parameter, click.Argument)]
    if given > len(arguments):
        return "too many arguments"
    if given < sum(argument.required for argument in arguments):
        return "too few arguments"
    return None


def _flags(option: click.Option) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _commands(page: Page) -> Iterator[str]:
    for code in page.code:
        for found in COMMAND.findall(code):
            line = _PROSE_END.sub("", found).strip()
            yield line.replace("[--now]", "--now")


def _metrics() -> Iterator[str]:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (collected,) = metric.collect()
            yield collected.name + ("_total" if isinstance(metric, Counter) else "")
