"""Browsers: who is signed in to the server's own pages, and what keeps other sites from acting in their name."""
