"""A standalone OAuth 2 authorization server; `ls` is the map, and docs/ says how the hard parts work."""

__version__ = "0.1.0"
