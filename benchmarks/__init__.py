"""Measurements of what the README claims: `make bench`, or `python -m benchmarks --quick` for a first look."""
