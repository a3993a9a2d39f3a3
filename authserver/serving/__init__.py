"""The HTTP server: processes, the protocol and its bounds, and the bridge to WSGI. Knows nothing of OAuth."""
