"""Registered clients: what each may do, how it authenticates, and a cache that knows a change within seconds."""
