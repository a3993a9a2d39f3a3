"""Who somebody is, and how it was proved. One password check for every door; no HTTP and no session."""
