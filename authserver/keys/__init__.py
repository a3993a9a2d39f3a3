"""Keys: made, rotated, encrypted in the database, and held in memory."""
