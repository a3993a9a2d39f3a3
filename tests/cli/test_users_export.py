"""Where `users export --output` and `users import --report` write: nothing but a file is replaced, and no part is left."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT
from tests.support.setup import Setup
from tests.support.shell import COMMAND, Shell

ALL = '"username","email","roles","enabled","subject"\n"anna","","","true",""\n'


@pytest.fixture
def shell(setup: Setup) -> Shell:
    setup.a_person(username="anna")
    return Shell(setup)


def test_a_file_is_replaced_by_one_for_its_owner_alone(shell: Shell, tmp_path: Path):
    target, other = tmp_path / "users.csv", tmp_path / "other.csv"
    target.write_text("what was there before, and readable to all")
    target.chmod(0o644)
    os.link(target, other)
    assert shell.run("users", "export", "--output", str(target)).returncode == 0
    assert (target.read_text(), target.stat().st_mode & 0o777) == (ALL, 0o600)
    assert "before" in other.read_text(), "a program that has the old file open does not see half of the new one"
    assert sorted(path.name for path in tmp_path.iterdir() if "csv" in path.name) == ["other.csv", "users.csv"]


def test_a_link_stays_and_its_file_is_replaced(shell: Shell, tmp_path: Path):
    link, target = tmp_path / "link.csv", tmp_path / "users.csv"
    link.symlink_to(target)
    for _ in ("the file is missing", "the file is there"):
        assert shell.run("users", "export", "--output", str(link)).returncode == 0
        assert link.is_symlink()
        assert (target.read_text(), target.stat().st_mode & 0o777) == (ALL, 0o600)


def test_a_pipe_is_written_into(shell: Shell, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        assert shell.run("users", "export", "--output", str(pipe)).returncode == 0
        assert reader.communicate()[0] == ALL
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_written_into(shell: Shell, tmp_path: Path):
    device = tmp_path / "null"
    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    assert shell.run("users", "export", "--output", str(device)).returncode == 0
    assert stat.S_ISCHR(device.stat().st_mode)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("redirected", [False, True])
def test_standard_output_is_written_into_under_each_of_its_names(
    shell: Shell, tmp_path: Path, name: str, *, redirected: bool
):
    if not redirected:
        assert shell.run("users", "export", "--output", name).stdout == ALL
        return
    file = tmp_path / "log.txt"
    file.write_text("before\n")
    with file.open("a") as log:
        command = [*COMMAND, "users", "export", "--output", name]
        done = subprocess.run(
            command, env=shell.environment, cwd=ROOT, stdout=log, stderr=subprocess.DEVNULL, check=False
        )
    assert done.returncode == 0
    assert file.read_text() == "before\n" + ALL, "the shell's >> adds to the file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_another_user_has_put_there_does_not_get_the_users(shell: Shell, tmp_path: Path, kind: str):
    place, stolen = tmp_path / "users.csv", tmp_path / "stolen"
    if kind == "link":
        place.symlink_to(stolen)
    else:
        os.mkfifo(place)
    os.chown(place, 4711, -1, follow_symlinks=False)
    assert f"is a {kind} of another user" in shell.refused("users", "export", "--output", str(place))
    assert not stolen.exists()
    place.unlink()
    assert shell.run("users", "export", "--output", str(place)).returncode == 0


def test_a_place_that_cannot_be_written_is_named(shell: Shell, tmp_path: Path):
    missing = str(tmp_path / "missing" / "users.csv")
    assert f"{missing} cannot be written: No such file" in shell.refused("users", "export", "--output", missing)
    assert "is a directory" in shell.run("users", "export", "--output", str(tmp_path)).stderr


def test_a_report_may_have_the_name_of_the_file_that_is_read(shell: Shell, tmp_path: Path, setup: Setup):
    """Once the report cut the file off while it was read."""
    file = tmp_path / "users.csv"
    file.write_text("username\nb@d\n" + "".join(f"user {number}\n" for number in range(2000)))
    done = shell.run("users", "import", str(file), "--report", str(file), "--batch", "1")
    assert done.stdout.startswith("Added 2,000 users; 0 were there already; 1 line refused.")
    assert '"line": 2, "field": "username"' in file.read_text()
    assert shell.run("users", "import", str(file), "--format", "csv", "--report", "-").returncode == 1
