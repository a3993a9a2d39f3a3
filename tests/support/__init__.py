"""What tests lean on: real parts (PostgreSQL, node) found or started, and a clear word where one is missing."""
