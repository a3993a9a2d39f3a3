"""The server's own pages: visits of signed-in browsers, and the protection against forged requests."""
