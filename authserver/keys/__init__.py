"""Keys: signing keys and token keys, encrypted at rest, in memory while they are needed."""
