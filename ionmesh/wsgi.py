"""The application for a WSGI server: `gunicorn ionmesh.wsgi:app`. Settings come from the environment."""

from __future__ import annotations

from ionmesh.app import create_app

app = create_app()
