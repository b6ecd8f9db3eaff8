"""The pages around a view, as LuCI's dispatcher and theme make them from the files in menu.d."""

import html
import json
from pathlib import Path
from typing import Any

APP = Path(__file__).parents[3] / "openwrt/luci-app-remsimd"
BASE = "/cgi-bin/luci"
MENU = "admin/services/remsimd"

PAGE = """\
<!DOCTYPE html>
<html lang="en" data-darkmode="{dark}">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Router - {title} - LuCI</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/standin/theme.css">
<script>window.LUCI_ENV = {env};</script>
<script src="/standin/luci.js"></script>
</head>
<body>
<header><a class="brand" href="#">Router</a>{navigation}</header>
<div id="maincontent">{tabs}<div id="view"></div></div>
<div id="modal_overlay"></div>
</body>
</html>
"""


def menu() -> dict[str, Any]:
    """Every entry of the app by its path."""
    (file,) = (APP / "root/usr/share/luci/menu.d").glob("*.json")
    entries: dict[str, Any] = json.loads(file.read_text())
    return entries


def views() -> dict[str, Any]:
    """The app's views by their last word, in the order of the menu."""
    found = {p.rpartition("/")[2]: e for p, e in menu().items() if e["action"]["type"] == "view"}
    return dict(sorted(found.items(), key=lambda item: int(item[1]["order"])))


def page(path: str, session: str, *, readonly: bool, dark: bool) -> str | None:
    """The HTML at a path below BASE, None where nothing is."""
    env: dict[str, Any] = {
        "sessionid": session,
        "readonly": readonly,
        "resource": "/luci-static/resources",
        "scriptname": BASE,
        "ubuspath": "/ubus/",
    }
    tabs, title = "", "Status"
    if path == "admin/status/overview":
        includes = (APP / "htdocs/luci-static/resources/view/status/include").glob("*.js")
        env["includes"] = sorted(file.stem for file in includes)
    else:
        entry = menu().get(path)
        if entry is None or entry["action"]["type"] != "view":
            return None
        env["viewpath"] = entry["action"]["path"].replace("/", ".")
        title = entry["title"]
        tabs = _tabs(path)
    navigation = "".join(f'<a href="#">{word}</a>' for word in ("Status", "System", "Services", "Network"))
    return PAGE.format(
        dark=str(dark).lower(),
        title=html.escape(title),
        env=json.dumps(env),
        navigation=navigation,
        tabs=tabs,
    )


def _tabs(path: str) -> str:
    items = "".join(
        f'<li class="{"active" if path == f"{MENU}/{name}" else ""}">'
        f'<a href="{BASE}/{MENU}/{name}">{html.escape(entry["title"])}</a></li>'
        for name, entry in views().items()
    )
    return f'<ul class="tabs">{items}</ul>'
