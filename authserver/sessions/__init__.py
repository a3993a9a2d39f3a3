"""The heart: what a refresh token is, how it rotates, when it is theft, and how a session ends."""
