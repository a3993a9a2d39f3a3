"""Passwords: how they are hashed, how many at once, and which new ones are allowed."""
