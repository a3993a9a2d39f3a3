"""Browser apps: tokens in cookies, requests from other origins, and the module that pages load."""
