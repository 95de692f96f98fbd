"""What the review page and the service share: a listening socket, a quiet server, safe headers.

It needs uvicorn only in :mod:`twofold.web.server`; who imports that says which extra brings it.
"""
