"""Throttling: counts failed attempts, and delays further ones. It knows no HTTP, no users and no clients."""
