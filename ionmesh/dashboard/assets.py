"""The static files, below a path that names their content so that browsers may keep them for ever."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from flask import Response, send_from_directory, url_for

from ionmesh.dashboard.gate import pages

_FOLDER = Path(__file__).with_name("static")
_VERSION_LENGTH = 12
_FOR_EVER = "public, max-age=31536000, immutable"


@functools.cache
def version() -> str:
    """Return the digest of all static files."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:_VERSION_LENGTH]


def asset(name: str) -> str:
    """Return the URL of a static file."""
    return url_for("dashboard.static_file", shown=version(), name=name)


@pages.get("/assets/<shown>/<path:name>", role=None)
def static_file(shown: str, name: str) -> Response:
    """Send a static file; one of another version is not kept, as its name says something else."""
    response = send_from_directory(_FOLDER, name)
    response.headers["Cache-Control"] = _FOR_EVER if shown == version() else "no-cache"
    return response
