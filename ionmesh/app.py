"""The Flask application, wired from its parts."""

from __future__ import annotations

import os
from collections.abc import Callable

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map, UnicodeConverter

from ionmesh.api import health, openapi, remsim
from ionmesh.api.context import EXTENSION, Runtime
from ionmesh.api.errors import register_error_handlers
from ionmesh.api.feed import EventFeed
from ionmesh.api.intake import Intake
from ionmesh.api.keyring import KeyRing
from ionmesh.api.measure import measure
from ionmesh.api.places import Places
from ionmesh.api.prefix import NUMBER_MAX
from ionmesh.api.wire import MAX_BODY_BYTES
from ionmesh.clock import Clock, utcnow
from ionmesh.config import Config, load_config
from ionmesh.dashboard import site
from ionmesh.db import Database
from ionmesh.metrics import Metrics
from ionmesh.metrics_clients import ClientMetrics
from ionmesh.ratelimit import RateLimit
from ionmesh.services import liveness
from ionmesh.vapid import Vapid


def _nobody_to_tell() -> None:
    pass


class _Number(IntegerConverter):
    """A number that a database column can hold; a larger one names nothing."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=NUMBER_MAX)


class _Text(UnicodeConverter):
    """A text that a database column can hold: PostgreSQL's have no NUL."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map)
        self.regex = self.regex.replace("[^/]", r"[^/\0]")


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
    app.url_map.converters |= {"int": _Number, "default": _Text}
    database = database or Database(config.database)
    metrics = Metrics(database, clock)
    client_limit = RateLimit(config.client_requests_per_min)
    silence = liveness.offline_after(config.offline_after_s, config.heartbeat_interval_s)
    app.extensions[EXTENSION] = Runtime(
        config=config,
        database=database,
        clock=clock,
        assignments_changed=assignments_changed,
        streams=Places(config.event_streams, metrics.streams.inc),
        feed=EventFeed(database, clock),
        keyring=KeyRing(database, clock, config.key_pepper),
        intake=Intake(database, clock, client_limit, silence, metrics.slot_claims.observe),
        metrics=metrics,
        client_metrics=ClientMetrics(database, clock),
        client_limit=client_limit,
        key_limit=RateLimit(config.key_requests_per_min),
        vapid=Vapid(database, config, clock),
    )
    if config.proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxy_hops)  # type: ignore[method-assign]  # as Flask documents it
    register_error_handlers(app)
    measure(app)
    for blueprint in (remsim.blueprint, health.blueprint, openapi.blueprint):
        app.register_blueprint(blueprint)
    for module in openapi.MODULES:
        app.register_blueprint(module.routes.blueprint)
    site.register(app)
    return app
