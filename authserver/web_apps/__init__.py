"""What apps in a browser need: tokens in cookies, requests from other origins, and the module that they load."""
