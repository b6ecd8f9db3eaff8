"""What makes the pages an application: manifest, service worker, and the page without a network."""

from __future__ import annotations

import json

from flask import Response, render_template

from ionmesh.dashboard import alert_words, assets
from ionmesh.dashboard.gate import pages, to
from ionmesh.dashboard.i18n import translate as _

_ICON_SIZES = (192, 512)
_SHELL = (
    *("app.css", "icons.svg", "vendor/uplot/uPlot.iife.min.js", "vendor/uplot/uPlot.min.css"),
    *("js/ages.js", "js/charts.js", "js/events.js", "js/forms.js", "js/live.js", "js/main.js", "js/maps.js"),
    *("js/push.js", "js/regions.js", "js/select.js", "js/slots.js", "js/theme.js", "js/worker.js"),
)


@pages.get("/manifest.webmanifest", role=None)
def manifest() -> Response:
    """Describe the application to the browser that installs it."""
    icons = [
        {"src": assets.asset(f"icons/ionmesh-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in _ICON_SIZES
    ]
    maskable = {
        "src": assets.asset("icons/ionmesh-maskable-512.png"),
        "sizes": "512x512",
        "type": "image/png",
        "purpose": "maskable",
    }
    shortcuts = (("clients", _("Clients")), ("banks", _("SIM banks")), ("alerts", _("Alerts")))
    document = {
        "id": to("overview"),
        "name": "IonMesh",
        "short_name": "IonMesh",
        "description": _("SIM banks, routers and the cards between them"),
        "start_url": to("overview"),
        "scope": to("overview"),
        "display": "standalone",
        "background_color": "#f5f6f8",
        "theme_color": "#0a5cab",
        "icons": [*icons, maskable],
        "shortcuts": [{"name": name, "url": to(endpoint)} for endpoint, name in shortcuts],
    }
    return Response(json.dumps(document), mimetype="application/manifest+json")


@pages.get("/service-worker.js", role=None)
def service_worker() -> Response:
    """Return the service worker, whose text changes with every asset, so that browsers notice."""
    settings = {
        "version": assets.version(),
        "shell": [assets.asset(name) for name in _SHELL],
        "offline": to("offline"),
        "start": to("overview"),
        "alerts": to("alerts"),
        "kept": [to(name) for name in ("overview", "clients", "banks", "pools", "alerts", "allowance")],
        "ending": [to("sign_out"), to("take_password")],
        "icon": assets.asset("icons/ionmesh-192.png"),
        "kinds": dict(alert_words.alert_kinds()) | {"test": _("Test message")},
        "texts": {
            "stale": _("Not connected. You see what was here"),
            "ago": _("ago"),
            "firing": _("New alerts"),
            "resolved": _("Is over"),
            "nothing": _("Nothing of this page was kept."),
        },
    }
    script = f"const SETTINGS = {json.dumps(settings)};\n" + render_template("service-worker.js")
    response = Response(script, mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Service-Worker-Allowed"] = to("overview")
    return response


@pages.get("/offline", role=None)
def offline() -> str:
    """Show that there is no network; the service worker adds what was kept and how old it is."""
    return render_template("offline.html")
