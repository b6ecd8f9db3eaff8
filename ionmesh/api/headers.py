"""Headers that tell a caller how it stands: what is left of its limit, and what will go away.

RateLimit-*: draft-ietf-httpapi-ratelimit-headers-06. Deprecation: RFC 9745. Link's rel: RFC 5829.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from flask import Response, g, request

from ionmesh.ratelimit import Quota

DEPRECATED_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_TOO_MANY = 429


def remember_quota(quota: Quota) -> None:
    """Have this request's answer tell what is left of a limit; the last one counts."""
    g.quota = quota


def deprecate(successor: str | None = None) -> None:
    """Have this request's answer tell that its way of asking will go away, and the path to use instead."""
    g.deprecated = successor or ""


def add_standing(response: Response) -> None:
    """Add the headers of what was remembered for this request."""
    quota: Quota | None = g.get("quota")
    # To routers, whose bytes are paid for, only when it stops them.
    if quota is not None and (request.blueprint != "remsim" or response.status_code == _TOO_MANY):
        response.headers["RateLimit-Limit"] = str(quota.limit)
        response.headers["RateLimit-Remaining"] = str(quota.remaining)
        response.headers["RateLimit-Reset"] = str(math.ceil(quota.reset_s))
    successor: str | None = g.get("deprecated")
    if successor is not None:
        response.headers["Deprecation"] = f"@{int(DEPRECATED_SINCE.timestamp())}"
        if successor:
            response.headers.add("Link", f'<{successor}>; rel="successor-version"')
