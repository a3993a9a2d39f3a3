"""Sessions and their refresh tokens: how a token rotates, when its use is theft, and how a session ends."""
