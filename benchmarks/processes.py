"""What processes cost, read from /proc: CPU time of a tree, memory of one process. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(member for child in children for member in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """User and system time of a tree, with the children that ended and were waited for (PostgreSQL's backends)."""
    total = 0
    for member in tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended, and its parent's figures have it now
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def pss_mib(pid: int | str = "self") -> float:
    """Proportional set size in MiB: memory that is shared counts in equal parts for all who share it."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def uss_mib(pid: int | str = "self") -> float:
    """Unique set size in MiB: what would be free if the process ended."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:"))) / 1024
