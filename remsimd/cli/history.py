"""`remsimctl history`, `export` and `alerts`: what was recorded, and what is wrong."""

import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from remsimd.cli import show
from remsimd.cli.client import ControlClient
from remsimd.cli.session import connected, json_option, printed

UNIT_S = {"m": 60, "h": 3600, "d": 86400}
BARS = "▁▂▃▄▅▆▇█"
CHART_COLUMNS = 40
EXPORTED = ("time", "metric", "subject", "unit", "min", "max", "average", "last")


def span(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """An option's duration like 90m, 24h or 30d as seconds, None where it was not given."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdecimal() or unit not in UNIT_S:
        raise click.BadParameter(f"{text!r} is not a time like 90m, 24h or 30d")
    return int(number) * UNIT_S[unit]


range_option = click.option(
    "--range",
    "range_s",
    metavar="TIME",
    callback=span,
    default="24h",
    show_default=True,
    help="How far back: 90m, 24h, 30d.",
)
metrics_option = click.option(
    "--metrics", metavar="NAMES", help="Only these, with commas: rssi,rsrp,latency.  [default: all]"
)
subject_option = click.option("--modem", "subject", help="Only this modem or link.  [default: all]")


@click.command()
@range_option
@metrics_option
@subject_option
@json_option
@click.pass_obj
def history(path: Path, range_s: int, metrics: str | None, subject: str | None, as_json: bool) -> None:
    """Show the course of recorded values, and the data used.

    Each value with its unit, lowest, average and highest. Minutes are kept for a day, five-minute
    values for a week, hourly ones for history.days days.

    Example: remsimctl history --range 7d --metrics rsrp,latency
    """
    with connected(path) as daemon:
        recorded = list(_recorded(daemon, range_s, metrics, subject))
        usage = daemon.call("history.usage")
    printed({"series": recorded, "usage": usage}, as_json, _overview)


@click.command()
@range_option
@metrics_option
@subject_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="A table with a heading, or a list of objects.",
)
@click.pass_obj
def export(path: Path, range_s: int, metrics: str | None, subject: str | None, kind: str) -> None:
    """Print recorded values as CSV or JSON.

    One line for each span of time: its beginning (UTC), metric, subject, unit, and the lowest,
    highest, average and last value in it.

    Example: remsimctl export --range 30d --metrics rsrp > rsrp.csv
    """
    with connected(path) as daemon:
        lines = _lines(_recorded(daemon, range_s, metrics, subject))
        if kind == "json":
            click.echo(json.dumps(list(lines)))
            return
        table = csv.DictWriter(sys.stdout, EXPORTED, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def alerts(context: click.Context, as_json: bool) -> None:
    """Show the configured alerts, or silence one."""
    if context.invoked_subcommand is None:
        with connected(context.obj) as daemon:
            printed(daemon.call("alerts.list"), as_json, _alerts)


@alerts.command()
@click.argument("alert")
@click.option("--modem", "subject", help="Only for this modem or link.  [default: all]")
@click.pass_obj
def ack(path: Path, alert: str, subject: str | None) -> None:
    """Take note of ALERT: told no more until it is over.

    ALERT is the name of its section in /etc/config/remsim.
    """
    chosen = {} if subject is None else {"subject": subject}
    with connected(path) as daemon:
        click.echo(daemon.call("alerts.acknowledge", alert=alert, **chosen)["message"])


@alerts.command()
@click.argument("alert")
@click.option(
    "--for",
    "span_s",
    metavar="TIME",
    callback=span,
    default="1h",
    show_default=True,
    help="How long: 90m, 24h, 30d; 0m ends it.",
)
@click.pass_obj
def mute(path: Path, alert: str, span_s: int) -> None:
    """Tell no webhook of ALERT for a while.

    ALERT is the name of its section in /etc/config/remsim.

    Example: remsimctl alerts mute weak_signal --for 2h
    """
    with connected(path) as daemon:
        click.echo(daemon.call("alerts.mute", alert=alert, minutes=span_s // 60)["message"])


@alerts.command("history")
@click.option(
    "--range",
    "range_s",
    metavar="TIME",
    callback=span,
    default="30d",
    show_default=True,
    help="How far back: 90m, 24h, 30d.",
)
@json_option
@click.pass_obj
def alerts_history(path: Path, range_s: int, as_json: bool) -> None:
    """List when alerts fired and were over."""
    with connected(path) as daemon:
        printed(daemon.call("history.events", range_s=range_s, kind="alert"), as_json, show.events)


def _recorded(
    daemon: ControlClient, range_s: int, metrics: str | None, subject: str | None
) -> Iterator[dict[str, Any]]:
    """Each wanted series with its points, asked for one after the other: answers stay small."""
    series = daemon.call("history.series")
    wanted = None if metrics is None else {name.strip() for name in metrics.split(",")}
    known = {each["metric"] for each in series}
    for unknown in sorted((wanted or set()) - known):
        recorded = ", ".join(sorted(known)) or "nothing yet"
        raise click.BadParameter(f"{unknown!r} is not recorded; recorded: {recorded}", param_hint="--metrics")
    for each in series:
        if (wanted is None or each["metric"] in wanted) and subject in (None, each["subject"]):
            points = daemon.call(
                "history.points", metric=each["metric"], subject=each["subject"], range_s=range_s
            )
            yield {**points, "subject": each["subject"]}


def _lines(recorded: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for series in recorded:
        for at_s, low, high, average, last in series["rows"]:
            at = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            values = (at, series["metric"], series["subject"], series["unit"], low, high, average, last)
            yield dict(zip(EXPORTED, values, strict=True))


def _overview(document: dict[str, Any]) -> str:
    rows = [("METRIC", "OF", "MIN", "AVERAGE", "MAX", "LAST", "UNIT", "COURSE")]
    for series in document["series"]:
        if not series["rows"]:
            continue
        low, high = min(row[1] for row in series["rows"]), max(row[2] for row in series["rows"])
        averages = [row[3] for row in series["rows"]]
        figures = (low, sum(averages) / len(averages), high, series["rows"][-1][4])
        rows.append(
            (
                series["metric"],
                series["subject"],
                *(f"{figure:.4g}" for figure in figures),
                series["unit"] or "",
                chart(averages),
            )
        )
    lines = show.table(rows) if len(rows) > 1 else ["nothing recorded in that time"]
    return "\n".join([*lines, "", *_usage(document["usage"])])


def _usage(usage: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    periods = ("today", "week", "month", "plan")
    rows = [("DATA USED", *(period.upper() for period in periods))]
    for link, spent in usage.items():
        totals = (
            f"{(spent[p]['rx_bytes'] + spent[p]['tx_bytes']) / 1e6:.1f} MB" if p in spent else "-"
            for p in periods
        )
        rows.append((link, *totals))
    return show.table(rows) if usage else ["no data used yet"]


def chart(values: list[float]) -> str:
    """A course as at most 40 bars, the lowest value the lowest bar."""
    width = min(len(values), CHART_COLUMNS)
    cuts = [len(values) * column // width for column in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(cuts)]
    means = [sum(part) / len(part) for part in parts]
    low = min(means)
    height = max(means) - low
    # Divided first: a share is never above one, however small the height is.
    shares = [(mean - low) / height if height else 0.0 for mean in means]
    return "".join(BARS[round(share * (len(BARS) - 1))] for share in shares)


def _alerts(listing: list[dict[str, Any]]) -> str:
    rows = [("ALERT", "FOR", "STATE", "SINCE", "VALUE", "CONDITION")]
    for alert in listing:
        about = f"{alert['metric']} {alert['condition']}"
        if alert["muted_for_s"] > 0:
            about += f" (muted for {show.duration(alert['muted_for_s'])})"
        for standing in alert["standings"] or [None]:
            if standing is None:
                rows.append((alert["alert"], "-", "no value", "-", "-", about))
                continue
            phase = standing["phase"] + (" (acknowledged)" if standing["acknowledged"] else "")
            value = "-" if standing["value"] is None else f"{standing['value']:g}"
            since = show.duration(standing["for_s"])
            rows.append((alert["alert"], standing["subject"], phase, since, value, about))
    return "\n".join(show.table(rows))
