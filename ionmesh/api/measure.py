"""Timing every request."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from ionmesh.api.context import runtime


def measure(app: Flask) -> None:
    """Count and time the application's requests by route, so that no path of a caller's makes a series."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began_s = time.perf_counter()


def _end(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule is not None else "none"
    took_s = time.perf_counter() - g.began_s
    method = request.method if request.url_rule is not None else "any"
    runtime().metrics.requests.labels(route, method, str(response.status_code)).observe(took_s)
    return response
