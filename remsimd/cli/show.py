"""Reports as text for a terminal; pure functions from JSON documents to strings."""

import time
from collections.abc import Sequence
from typing import Any

import click

GOOD, BAD, DULL = "green", "red", "bright_black"
CARD_FIELDS = ("bank_id", "slot_id", "iccid", "imsi", "mapping_mode", "version")
DETAIL_CHARS = 80
SEVERITY_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


def status(report: dict[str, Any]) -> str:
    """One screen: where the data goes, modems, links, the remote SIM, IonMesh, what is wrong."""
    now_s = report["now_s"]
    active = report["active_link"] or "nothing"
    head = f"remsimd {report['version']}, up {duration(report['uptime_s'])}"
    since = report["active_since_s"]
    age = "" if since is None else f" for {duration(now_s - since)}"
    why = report["active_cause"] or "no link yet"
    lines = [f"{head}; data uses {click.style(active, bold=True)}{age} ({why})"]
    lines += ["", *_modem_table(report, now_s), ""]
    lines.append(_rspro_line(report))
    lines.append(_ionmesh_line(report["ionmesh"], now_s))
    for name, part in report["parts"].items():
        if not part["running"]:
            lines.append(click.style(f"{name} failed: {part['reason']}", fg=BAD))
    for mistake in report["config_mistakes"]:
        lines.append(click.style(f"new configuration refused: {mistake}", fg=BAD))
    return "\n".join(lines)


def _modem_table(report: dict[str, Any], now_s: float) -> list[str]:
    rows = [("MODEM", "ROLE", "MODEL", "NETWORK", "SIGNAL", "SIM", "LINK")]
    for name, modem in report["modems"].items():
        link = report["links"].get(name, {})
        rows.append(
            (
                name,
                modem["role"],
                (modem["identity"] or {}).get("model") or "-",
                _network(modem),
                _signal(modem["signal"]),
                _card(modem),
                f"{link.get('health', '-')} ({link.get('interface') or 'no interface'})",
            )
        )
    return table(rows)


def _network(modem: dict[str, Any]) -> str:
    if modem["port"] is None:
        return f"gone: {modem['reason']}"
    registration = modem["registration"]
    if registration is None:
        return "unknown"
    if registration["state"] not in ("home", "roaming"):
        return str(registration["state"])
    where = registration["operator"] or registration["plmn"] or "registered"
    roaming = ", roaming" if registration["state"] == "roaming" else ""
    return f"{where} ({registration['technology'] or '?'}{roaming})"


def _signal(signal: dict[str, Any] | None) -> str:
    if signal is None:
        return "-"
    if signal["rsrp_dbm"] is not None:
        return f"RSRP {signal['rsrp_dbm']:.0f} dBm"
    return "-" if signal["rssi_dbm"] is None else f"RSSI {signal['rssi_dbm']:.0f} dBm"


def _card(modem: dict[str, Any]) -> str:
    source = modem["sim_source"] or "local"
    if modem["sim_switching_to"] is not None:
        return f"{source}, moving to {modem['sim_switching_to']}"
    card = modem["sim"]
    return f"{source}, {card['state']}" if card is not None else source


def _rspro_line(report: dict[str, Any]) -> str:
    rspro, card = report["rspro"], report["ionmesh"]["assignment"]
    place = ""
    if card is not None and card["bank_id"] is not None:
        place = f", bank {card['bank_id']} slot {card['slot_id']}"
    peers = ", ".join(
        f"{name} {peer['endpoint']} {'up' if peer['up'] else 'down'}" for name, peer in rspro["peers"].items()
    )
    colour = GOOD if rspro["state"] == "operational" else None
    detail = f" ({rspro['detail']})" if rspro["detail"] else ""
    tail = f"; {peers}" if peers else ""
    return f"Remote SIM  {click.style(rspro['state'], fg=colour)}{detail}{place}{tail}"


def _ionmesh_line(view: dict[str, Any], now_s: float) -> str:
    good = view["state"] == "registered"
    line = f"IonMesh     {click.style(view['state'], fg=GOOD if good else None)}"
    if view["detail"]:
        line += f" ({view['detail']})"
    if view["last_heartbeat_s"] is not None:
        over = f" over {view['heartbeat_link']}" if view["heartbeat_link"] else ""
        line += f"; heartbeat {duration(now_s - view['last_heartbeat_s'])} ago{over}"
    return line


def sim(report: dict[str, Any]) -> str:
    """Which card each modem is on, with its identity, and why."""
    rows = [("MODEM", "CARD", "STATE", "ICCID", "IMSI", "WHY")]
    for name, modem in report["modems"].items():
        card = modem["sim"] or {}
        source = modem["sim_source"] or "local"
        if modem["sim_switching_to"] is not None:
            source += f" -> {modem['sim_switching_to']}"
        rows.append(
            (
                name,
                source,
                card.get("state") or "unknown",
                card.get("iccid") or "-",
                card.get("imsi") or "-",
                modem["sim_cause"] or "-",
            )
        )
    lines = [*table(rows), "", _rspro_line(report)]
    if report["rspro"]["atr"] is not None:
        lines.append(f"ATR         {report['rspro']['atr']}")
    return "\n".join(lines)


def ionmesh(report: dict[str, Any]) -> str:
    """The orchestrator's state and the card it gave us."""
    view = report["ionmesh"]
    lines = [_ionmesh_line(view, report["now_s"])]
    card = view["assignment"]
    if card is not None:
        known = {key: card[key] for key in CARD_FIELDS if card[key] is not None}
        ends = {key: f"{card[key]['host']}:{card[key]['port']}" for key in ("server", "bankd") if card[key]}
        lines += [f"{key:<14}{value}" for key, value in {**known, **ends}.items()]
        lines.append(f"{'given by':<14}{view['assignment_source']}")
    return "\n".join(lines)


def commands(received: list[dict[str, Any]]) -> str:
    """The orchestrator's commands, oldest first, with what became of each."""
    if not received:
        return "no command was received yet"
    rows = [("RECEIVED", "TYPE", "STATE", "TOLD", "ID", "DETAIL")]
    for command in received:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(command["received_s"]))
        first = command["detail"].partition("\n")[0][:DETAIL_CHARS]
        told = "yes" if command["told"] else "no"
        rows.append((when, command["type"], command["state"], told, command["id"], first))
    return "\n".join(table(rows))


def links(report: dict[str, Any]) -> str:
    """Each link: whether it carries the data, its health and since when, recovery, own traffic."""
    rows = [("LINK", "DATA", "HEALTH", "FOR", "CAUSE", "RECOVERY", "OWN TRAFFIC")]
    for name, link in report["links"].items():
        since = link["since_s"]
        spent, limit = link["spent_bytes"], link["limit_bytes"]
        rows.append(
            (
                name,
                "active" if name == report["active_link"] else "-",
                link["health"],
                "-" if since is None else duration(report["now_s"] - since),
                link["cause"],
                report["modems"][name]["recovering"] or "-",
                "no limit" if limit is None else f"{spent / 1e6:.1f} of {limit / 1e6:.0f} MB",
            )
        )
    return "\n".join(table(rows))


def explain(document: dict[str, Any]) -> str:
    """The failover decision in words."""
    active = document["active"] or "no link yet"
    since = "" if document["for_s"] is None else f" for {duration(document['for_s'])}"
    pinned = ", pinned by hand (`remsimctl failover auto` ends that)" if document["pinned"] else ""
    lines = [f"Data uses {click.style(active, bold=True)}{since}{pinned}", f"because {document['why']}", ""]
    rows = [("LINK", "PRIORITY", "HEALTH", "CAUSE", "WHAT NOW")]
    rows += [
        (link["name"], str(link["priority"]), link["health"], link["cause"], link["standing"])
        for link in document["links"]
    ]
    lines += table(rows)
    if document["next_change_in_s"] is not None:
        lines += ["", f"if nothing else happens, this changes in {duration(document['next_change_in_s'])}"]
    if document["route_error"] is not None:
        lines += ["", click.style(f"the route cannot be moved: {document['route_error']}", fg=BAD)]
    return "\n".join(lines)


def events(entries: list[dict[str, Any]]) -> str:
    """The timeline, a line an entry."""
    return "\n".join(event(entry) for entry in entries) or "nothing happened yet"


def event(entry: dict[str, Any]) -> str:
    """One entry of the timeline, as wide as it needs to be."""
    at = time.strftime("%H:%M:%S", time.localtime(entry["wall_s"]))
    colour = SEVERITY_COLOURS.get(entry["severity"])
    text = click.style(entry["text"], fg=colour)
    return f"{click.style(at, fg=DULL)}  {entry['kind']:<13} {entry['subject']:<10} {text}"


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [click.style(lines[0], fg=DULL), *lines[1:]]


def duration(seconds: float) -> str:
    """A duration as people say it: 12 s, 3 min, 2 h 05 min, 4 d 3 h."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if seconds < 60:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes:.0f} min"
    if hours < 24:
        return f"{int(hours)} h {int(minutes) % 60:02d} min"
    return f"{int(days)} d {int(hours) % 24} h"
