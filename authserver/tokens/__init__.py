"""What a token says: the scopes and audience that it is given, and the signed form of an access token."""
