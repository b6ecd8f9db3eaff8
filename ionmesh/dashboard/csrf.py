"""Whether a request that changes something was meant by the person whose browser sent it.

Every form carries an HMAC of a cookie only this site can set; a foreign page can make the browser send the
cookie and cannot read the HMAC. Browsers also say where a request came from, and that must be this site.
"""

from __future__ import annotations

import hashlib
import hmac

from flask import request

from ionmesh.errors import Forbidden

FIELD = "csrf"
HEADER = "X-CSRF-Token"
_OWN_SITES = ("same-origin", "none")


def token(secret: str) -> str:
    """Return what forms must carry while the browser's cookie is `secret`."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), b"csrf", hashlib.sha256).hexdigest()


def check(secret: str | None) -> None:
    """Raise Forbidden unless this request carries the token of `secret` and comes from this site."""
    presented = request.headers.get(HEADER) or request.form.get(FIELD, "")
    genuine = secret is not None and hmac.compare_digest(
        presented.encode("utf-8", "surrogateescape"), token(secret).encode()
    )
    if not genuine or request.headers.get("Sec-Fetch-Site", _OWN_SITES[0]) not in _OWN_SITES:
        raise Forbidden("csrf", "The form has expired. Reload the page and try again.")
