"""The OAuth protocol over HTTP. Only this folder knows Authlib.

A request flows one way: `endpoints/` → `server` (strict request, client, errors) → `grants/` → services → response.
"""
