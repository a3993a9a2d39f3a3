"""The rules for new passwords, as tables: what is refused and why, what is accepted, and what a check costs."""

from __future__ import annotations

import hashlib
import logging
import re
import string
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from authserver.passwords.common import _LINES, is_common
from authserver.passwords.rules import check_new_password
from authserver.passwords.variations import fold
from authserver.settings.model import Settings
from authserver.settings.values import PasswordSettings

ISSUER = "https://login.acme-shop.example"
NAME, ADDRESS = "anna.meyer", "a.meyer@bakery.example"
SETTINGS = Settings(issuer=ISSUER)

COMMON = [
    "password", "PASSWORD", "Password1", "Password1!", "Passw0rd2024!", "p@ssword", "P@$$w0rd!!", "pa55word12", "1password1",
    "pass-word-1", "pass word", "p.a.s.s.w.o.r.d", "passwordpassword", "passwordpassword1", "password123", "dragon12",
    "monkey123!", "iloveyou", "iloveyou2", "letmein!!", "trustno1", "welcome1", "sunshine", "Princess99", "superman", "football1",
    "Summer2024!", "changeme1", "secret12345", "admin123", "t3st1234", "q1w2e3r4", "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
    "pass\u200bword", "\u24df\u24d0\u24e2\u24e2\u24e6\u24de\u24e1\u24d3", "\U0001d429\U0001d41a\U0001d42c\U0001d42c\U0001d430\U0001d428\U0001d42b\U0001d41d", "pa\u017f\u017fword",
]  # fmt: skip
PATTERNS = [
    "aaaaaaaa", "x" * 256, "        ", "\u00e9" * 8, "e\u0301" * 8, "abcabcabc", "abcabcab", "abcabcab!", "a1a1a1a1", "121212121212",
    "k7#mk7#m", "12345678", "87654321", "1234567890", "12345678901234567890", "1234-5678", "abcdefgh", "ABCDEFGH", "zyxwvuts",
    "qwertyui", "iuytrewq", "qwertzui", "azertyui", "asdfghjkl", "1qaz2wsx", "zaq12wsx", "abcd1234", "aaaa1111", "aaaa1234!",
    "11223344", "aabbccdd", "!@#$%^&*", "\u0439\u0446\u0443\u043a\u0435\u043d\u0433\u0448", "\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437", "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
    "\u200d" * 8,
]  # fmt: skip
NAMES = {
    "the user name": [
        "annameyer", "anna.meyer", "Anna.Meyer1", "meyer2024!", "ANNA2024!", "4nn4meyer", "@nn@m3yer", "xannax12",
        "anna_meyer_99", "meyer-anna", "\uff41nna.meyer", "annameyerbakery",
    ],
    "the e-mail address": ["bakery12", "bakery.example", "bakery-2024", "b4kery!!"],
    "the name of this service": [
        "authserver", "Authserver1!", "login123", "acmeshop", "acme-shop99", "login.acme-shop.example", "4uthserver",
    ],
}  # fmt: skip
GOOD = [
    "correct horse battery staple", "correct horse", "four quiet lamps", "another password", "password is not the answer",
    "passwordless since 2019", "my authserver password is long enough", "anna likes long walks on the beach", "annabella walks",
    "startup9", "river-candle-moon-47", "tartar-sauce", "abcd-the-goldfish", "12345 little ducklings", "qwerty keyboards bore me",
    "7gK2-pQ9", "p/Zk41Lw", "Tr0ub4dor&3", "\u0645\u0631\u062d\u0628\u0627\u064b\u064a\u0627\u0635", "\u65e5\u672c\u8a9e\u306e\u9577\u3044\u6587\u7ae0", "tab\there now", "  padded lamp  ",
    "p\u00e4ssw\u00f6rd-\u65e5\u672c", "a1B2c3D4" + "x9Y8" * 62, "ballons over the town" * 12,
]  # fmt: skip


def refusal(
    password: str, *, settings: Settings = SETTINGS, username: str | None = NAME, email: str | None = ADDRESS
) -> str:
    """The text of the refusal; empty if the password is accepted. A UnicodeError, which shows the password, comes through."""
    try:
        check_new_password(settings, password, username=username, email=email)
    except ValueError as error:
        if type(error) is ValueError and error.__context__ is None:
            return str(error)
        raise
    return ""


def settings_with(**passwords: object) -> Settings:
    return Settings(issuer=ISSUER, passwords=PasswordSettings.model_validate(passwords))


@pytest.mark.parametrize("password", COMMON)
def test_a_common_password_and_its_simple_variations_are_refused(password: str):
    assert refusal(password).startswith("it is a common password or close to one")


@pytest.mark.parametrize("password", PATTERNS)
def test_a_repetition_and_a_sequence_are_refused(password: str):
    assert refusal(password).startswith("it is a sequence, or repeats a few characters")


@pytest.mark.parametrize(("what", "password"), [(what, text) for what, texts in NAMES.items() for text in texts])
def test_a_password_that_is_little_more_than_a_name_is_refused(what: str, password: str):
    assert refusal(password).startswith(f"it is little more than {what}, ")


@pytest.mark.parametrize("password", GOOD)
def test_other_passwords_are_accepted_of_any_characters(password: str):
    assert refusal(password, username="art") == refusal(password) == ""


@pytest.mark.parametrize("password", ["", "7gK2-pQ", "7gK2-pQ9" * 33])
def test_a_password_of_another_length_is_refused(password: str):
    assert refusal(password) == f"a password has 8 to 256 characters, not {len(password)}"


@pytest.mark.parametrize("password", ["7gK2-pQ9\0", "7gK2-pQ9\ud800"])
def test_a_password_that_is_no_text_is_refused(password: str):
    assert refusal(password).startswith("a password has neither NUL nor surrogate")


def test_the_least_length_is_a_setting():
    settings = settings_with(min_length=15)
    assert refusal("four quiet dogs", settings=settings) == ""
    assert refusal("four quiet cat", settings=settings) == "a password has 15 to 256 characters, not 14"


def test_the_list_and_the_names_can_be_turned_off_one_by_one():
    settings = settings_with(refuse_common=False)
    assert refusal("password", settings=settings) == refusal("aaaaaaaa", settings=settings) == ""
    assert refusal("anna.meyer1", settings=settings) != ""
    settings = settings_with(refuse_names=False)
    assert refusal("anna.meyer1", settings=settings) == ""
    assert refusal("password", settings=settings) != ""


@pytest.mark.parametrize(("username", "email"), [(None, ADDRESS), (NAME, None), (None, None), ("", ""), ("@", "@")])
def test_a_user_may_lack_a_name_or_an_address(username: str | None, email: str | None):
    assert refusal("four quiet lamps", username=username, email=email) == ""
    assert refusal("bakery2024", username=username, email=email).startswith("it is") == (email == ADDRESS)
    assert refusal("authserver1", username=username, email=email) != ""


def test_the_address_of_a_user_without_a_name_is_told_as_the_address():
    assert refusal("bakery2024", username=ADDRESS).startswith("it is little more than the e-mail address")


def test_a_number_as_a_user_name_is_refused_as_a_password():
    assert refusal("47118150", username="4711815").startswith("it is little more than the user name")


def test_the_list_is_sorted_folded_and_searched_to_both_ends():
    words = _LINES.decode().split("\n")
    assert words.pop() == ""
    assert len(words) == 30_000
    assert words == sorted(set(words), key=str.encode)
    assert all(fold(word) == word for word in words)
    assert all(map(is_common, words))
    assert not any(map(is_common, ("", "\n", words[0][:-1] + "\x01", words[-1] + "z", "passwor\n", "\U0010ffff")))


@given(st.text(string.ascii_letters + string.digits, min_size=16, max_size=16).filter(lambda text: len(set(text)) > 8))
def test_a_random_password_of_sixteen_characters_is_accepted(password: str):
    assert refusal(password) == ""


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.text(max_size=40), st.text(max_size=40))
@example("\ufdfa" * 256, "\ufdfa" * 100, "@".join(["\ufdfa"] * 9))
@example("\ud800" * 8, "\ud800", "\ud800@\ud800")
def test_a_check_raises_nothing_but_its_refusal_in_constant_words(password: str, username: str, email: str):
    said = refusal(password, username=username, email=email)
    constant = "|".join((
        f"a password has 8 to 256 characters, not {len(password)}",
        "a password has neither NUL nor surrogate characters: it has to be text in UTF-8",
        "it is [a-z, ]*(the user name|the e-mail address|the name of this service)?, which attackers try first: [a-z, ]*",
    ))  # fmt: skip
    assert re.fullmatch(constant, said) if said else True


@given(st.text(min_size=8, max_size=64))
def test_a_compatibility_form_changes_no_verdict(password: str):
    other = unicodedata.normalize("NFKC", password)
    if 8 <= len(other) <= 256:
        assert refusal(other) == refusal(password)


class Ranges:
    """A folder of files of breached passwords."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = settings_with(breached_dir=directory)

    def write(self, password: str, line: str = "{suffix}:3", name: str = "{prefix}", before: str = "") -> Path:
        digest = hashlib.sha1(password.encode()).hexdigest().upper()
        file = self.directory / name.format(prefix=digest[:5])
        others = "".join(f"{number:035X}:{number}\r\n" for number in range(900))
        file.write_text(before + others + line.format(suffix=digest[5:]) + "\r\n" + "F" * 35 + ":1", newline="")
        return file


@pytest.fixture
def ranges(tmp_path: Path) -> Ranges:
    return Ranges(tmp_path)


def unreadable() -> float:
    return REGISTRY.get_sample_value("authserver_breached_files_unreadable_total") or 0


@pytest.mark.parametrize("name", ["{prefix}", "{prefix}.txt"])
def test_a_breached_password_is_refused_and_its_neighbours_are_not(ranges: Ranges, name: str):
    ranges.write("four quiet lamps", name=name)
    ranges.write("five quiet lamps", "{suffix}:0", name=name)
    ranges.write("six quiet lamps", "{suffix}:00 ", name=name)
    ranges.write("seven quiet lamps", name=name).write_text("")
    ranges.write("eight quiet lamps", "", name=name)
    before = unreadable()
    assert refusal("four quiet lamps", settings=ranges.settings).startswith("it was found in data that was stolen")
    for padding in ("five quiet lamps", "six quiet lamps", "seven quiet lamps", "eight quiet lamps"):
        assert refusal(padding, settings=ranges.settings) == "", padding
    assert unreadable() == before
    assert refusal("four quiet lamps") == "", "nothing is compared without the setting"


@pytest.mark.parametrize("line", ["{suffix}", "{suffix}:10", "{suffix}:100000000000000000000"])
def test_any_count_but_zero_is_a_breach(ranges: Ranges, line: str):
    ranges.write("four quiet lamps", line)
    assert refusal("four quiet lamps", settings=ranges.settings) != ""


def test_the_case_of_the_digits_does_not_matter(ranges: Ranges):
    file = ranges.write("four quiet lamps")
    file.write_text(file.read_text().lower())
    assert refusal("four quiet lamps", settings=ranges.settings) != ""


def test_a_file_that_cannot_be_read_refuses_nothing_and_is_told_without_the_digits(
    ranges: Ranges, caplog: pytest.LogCaptureFixture
):
    password = "four quiet lamps"
    prefix = hashlib.sha1(password.encode()).hexdigest()[:5]
    before = unreadable()
    assert refusal(password, settings=ranges.settings) == "", "the file is missing"
    file = ranges.write(password, before="0" * 1_048_576)
    assert refusal(password, settings=ranges.settings) == "", "the file is too large"
    file.unlink()
    file.mkdir()
    assert refusal(password, settings=ranges.settings) == "", "the file is a folder"
    assert unreadable() == before + 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3
    assert prefix not in caplog.text.lower()
    assert password not in caplog.text
    assert refusal("password", settings=ranges.settings) != "", "the other rules hold"


def test_a_check_reads_one_file_at_most(ranges: Ranges):
    ranges.write("four quiet lamps", "")
    opened: list[str] = []
    counting = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and counting:
            opened.append(str(arguments[0]))

    sys.addaudithook(note)  # it cannot be removed
    try:
        refusal("four quiet lamps")
        refusal("password", settings=ranges.settings)
        assert opened == [], "the list is in memory, and what it has needs no file"
        refusal("four quiet lamps", settings=ranges.settings)
        assert [Path(name).parent for name in opened] == [ranges.directory]
    finally:
        counting = False
