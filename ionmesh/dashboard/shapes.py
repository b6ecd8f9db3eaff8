"""How figures and moments are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from ionmesh.clock import rfc3339
from ionmesh.dashboard.i18n import translate as _

_UNITS = ("B", "kB", "MB", "GB", "TB")
# Lower ends of RSRP, in dBm, for four, three, two and one bar of four (those mobile phones commonly use).
_RSRP_BARS = (-95.0, -105.0, -115.0, -125.0)
_DAY_S = 86_400


def moment(value: datetime | str | None) -> Markup:
    """Return a `<time>` that says the moment in UTC; the browser's script adds how long ago that is."""
    if value is None:
        return Markup('<span class="none">&ndash;</span>')
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(at), text)


def ago(value: datetime | str | None, now: datetime) -> Markup:
    """Return a `<time>` that says how long ago a moment was; the browser's script keeps it true."""
    if value is None:
        return Markup('<span class="none">{}</span>').format(_("never"))
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    title = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time data-ago datetime="{}" title="{}">{}</time>').format(
        rfc3339(at), title, span(now - at)
    )


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit, as `5 min`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < _DAY_S:
        return f"{seconds // 3600} h"
    return f"{seconds // _DAY_S} d"


def octets(count: int | float | None) -> str:
    """Return a number of bytes in decimal units, as mobile networks bill them."""
    if count is None:
        return "–"
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 100 else 1
    return f"{value:.{digits}f} {unit}"


def bars(rsrp_dbm: float | None) -> int | None:
    """Return how many of four bars an RSRP is worth; None: it is not known."""
    if rsrp_dbm is None:
        return None
    return sum(rsrp_dbm >= lowest for lowest in _RSRP_BARS)


def figure(value: float | int | None, unit: str = "") -> Markup:
    """Return a figure with its unit, or a dash."""
    if value is None:
        return Markup('<span class="none">&ndash;</span>')
    number = f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return Markup("{}{}").format(number, Markup("&nbsp;{}").format(escape(unit)) if unit else "")
