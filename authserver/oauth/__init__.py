"""The protocol over HTTP; the only folder that knows Authlib.

A request flows one way: `endpoints/` → `server` (strict request, client, errors) → `grants/` → the domain → response.
"""
