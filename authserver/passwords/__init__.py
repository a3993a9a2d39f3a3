"""Passwords: how they are hashed, by whom and how many at once, and which new ones are allowed."""
