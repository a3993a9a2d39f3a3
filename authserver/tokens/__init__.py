"""Access tokens: their scopes and audience, their forms, and whether they still count."""
