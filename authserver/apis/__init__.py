"""Resource servers (APIs): audiences, the scopes that they own, and the roles that a scope asks of a user."""
