"""CPU time of a process tree and memory of a process, read from /proc. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(member for child in children for member in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a tree, with ended children that were waited for (PostgreSQL's backends)."""
    total = 0
    for member in tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended, and its parent's figures include it now
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def pss_mib(pid: int | str = "self") -> float:
    """Return the proportional set size in MiB: each process that shares memory counts an equal part of it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def uss_mib(pid: int | str = "self") -> float:
    """Return the unique set size in MiB: the memory that the end of the process would free."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:"))) / 1024
