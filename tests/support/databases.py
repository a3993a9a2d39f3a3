"""Marks for the databases that a test or a file runs on. Without a mark it runs on SQLite.

A test belongs on both where a statement, a constraint, a lock or a column's type decides what it asserts. The forms of
requests, answers and pages are the same on both.
"""

from __future__ import annotations

import pytest

on_both_databases = pytest.mark.databases("sqlite", "postgresql")
on_postgresql = pytest.mark.databases("postgresql")
on_sqlite = pytest.mark.databases("sqlite")
