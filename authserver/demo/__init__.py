"""What `make run` shows: a server with a demo client, API and user, and the lines to try."""
