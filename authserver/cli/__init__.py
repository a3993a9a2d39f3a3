"""The command line: one command group a file. It parses, calls use cases, prints; it decides nothing."""
