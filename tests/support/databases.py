"""The databases that a test runs on: SQLite alone, unless a mark of the test or of its file says otherwise.

A test belongs on both where a statement, a constraint, a lock or a column's type decides what it asserts. The forms of
requests, answers and pages are the same on either, and so is what the server says without a look at the database.
"""

from __future__ import annotations

import pytest

on_both_databases = pytest.mark.databases("sqlite", "postgresql")
on_postgresql = pytest.mark.databases("postgresql")
on_sqlite = pytest.mark.databases("sqlite")
