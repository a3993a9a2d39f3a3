"""What the README claims, measured: `make bench`, or `python -m benchmarks --quick` for a first look."""
