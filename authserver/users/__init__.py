"""Users: their rows, their names, and the links with which they set a password."""
