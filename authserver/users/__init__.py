"""Users: who may sign in, their names, their passwords and how those are hashed."""
