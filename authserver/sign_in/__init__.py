"""Authentication of users: the one password check. It knows no HTTP and makes no session."""
