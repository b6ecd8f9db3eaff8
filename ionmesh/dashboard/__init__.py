"""The operators' pages: rendered on the server, live by server-sent events, installable.

A page is an entry of one table (`gate`): path, least role, view. A view gets a `Visit`, which carries the
same `Call` as a REST request, so that what changes something is the REST API's own function.
"""
