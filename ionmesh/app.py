"""The Flask application, wired from its parts."""

from __future__ import annotations

import os
from collections.abc import Callable

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from ionmesh.api import admin, health, remsim
from ionmesh.api.context import EXTENSION, Runtime
from ionmesh.api.errors import register_error_handlers
from ionmesh.api.wire import MAX_BODY_BYTES
from ionmesh.clock import Clock, utcnow
from ionmesh.config import Config, load_config
from ionmesh.db import Database


def _nobody_to_tell() -> None:
    pass


def create_app(
    config: Config | None = None,
    *,
    database: Database | None = None,
    clock: Clock = utcnow,
    assignments_changed: Callable[[], object] = _nobody_to_tell,
) -> Flask:
    """Return the application. Without a config the environment is read; raises ConfigError.

    Threads are none of its business: without `assignments_changed` slot maps follow at the interval of
    whatever process reconciles.
    """
    if config is None:
        config = load_config(os.environ)
    app = Flask("ionmesh", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.strict_slashes = False
    app.extensions[EXTENSION] = Runtime(
        config=config,
        database=database or Database(config.database),
        clock=clock,
        assignments_changed=assignments_changed,
    )
    if config.proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxy_hops)  # type: ignore[method-assign]  # as Flask documents it
    register_error_handlers(app)
    for module in (remsim, admin, health):
        app.register_blueprint(module.blueprint)
    return app
