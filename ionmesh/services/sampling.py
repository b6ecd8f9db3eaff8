"""Samples of what clients report: made from their latest words, rolled up, dropped when old.

A heartbeat writes nothing but the client's own row. `record` looks at those rows every few seconds, so a
client that reports more often than that has a sample of each look; its traffic is counted from counters and
nothing of it is lost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ionmesh.db import add_rows, insert_or
from ionmesh.models import (
    ClientSeries,
    ClientState,
    FiveMinuteSample,
    HourSample,
    ProfileStatus,
    RawSample,
    RollupProgress,
    ServiceProfile,
    SimTraffic,
    Slot,
)
from ionmesh.services.series import (
    FIVE_MINUTES_KEPT_S,
    FIVE_MINUTES_S,
    HOUR_S,
    HOURS_KEPT_S,
    RAW_KEPT_S,
    SIGNALS,
    TRAFFIC,
)

# A transaction's worth: short enough for SQLite, whose one writer heartbeats wait for.
BATCH = 1000
# Samples come a little late: the stretch is rolled up when nothing can be added to it any more.
_LATE_S = 60
# A stretch of time rolled up in one transaction, after the worker was away.
_ROLLED_UP_AT_ONCE_S = 6 * HOUR_S
_TRAFFIC_KEPT_DAYS = 400

_WRAP_BYTES = 1 << 32
_NEAR_WRAP_BYTES = _WRAP_BYTES // 4
_COUNTER_MAX = 1 << 62
_REPORTED = {
    "rssi_dbm": "signal_rssi",
    "rsrp_dbm": "signal_rsrp",
    "rsrq_db": "signal_rsrq",
    "sinr_db": "signal_sinr",
}
_SIGNAL_RANGE = (-200.0, 100.0)


@dataclass(frozen=True, slots=True)
class Counters:
    """A client's own counters, bytes since its router began to count; None: not reported."""

    rx_bytes: int | None
    tx_bytes: int | None
    uptime_s: int | None


def traffic(before: Counters, now: Counters) -> tuple[int | None, int | None]:
    """Return the bytes received and sent between two reports; None: not known.

    After a restart the counters began at nothing, so all they show is new. A counter that shows less without
    one is a 32-bit counter that wrapped, when it was near its end and is near its beginning; else one of
    several network devices was made anew, and what it had counted until then must not be counted again.
    """
    restarted = before.uptime_s is not None and now.uptime_s is not None and now.uptime_s < before.uptime_s
    return (
        _passed(before.rx_bytes, now.rx_bytes, restarted),
        _passed(before.tx_bytes, now.tx_bytes, restarted),
    )


def _passed(before: int | None, now: int | None, restarted: bool) -> int | None:
    if before is None or now is None:
        return None
    if now >= before:
        return now - before
    if restarted:
        return now
    wrapped = _WRAP_BYTES - _NEAR_WRAP_BYTES <= before < _WRAP_BYTES and now < _NEAR_WRAP_BYTES
    return now + _WRAP_BYTES - before if wrapped else 0


def signals(stats: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the signal in reported figures by the names of samples; what is no signal is None."""
    low, high = _SIGNAL_RANGE
    found = {name: _number(stats.get(reported)) for name, reported in _REPORTED.items()}
    return {
        name: value if value is not None and low <= value <= high else None for name, value in found.items()
    }


def counters(stats: Mapping[str, Any], scope: str = "data") -> Counters:
    """Return the counters in reported figures; what is none is None.

    `scope` is "data" for everything, "card" for what went over the bank's card alone: a router with several
    modems tells these apart, the fielded client has one modem and knows only "data".
    """
    return Counters(
        _counted(stats.get(f"{scope}_rx_bytes")),
        _counted(stats.get(f"{scope}_tx_bytes")),
        _counted(stats.get("uptime_seconds")),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _counted(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < _COUNTER_MAX else None


def sim_of(iccid: str | None, bank_id: int, slot_id: int) -> str:
    """Return what a SIM is known by: its ICCID, or its place while that is not known."""
    return iccid or f"{bank_id}/{slot_id}"


def day_of(moment: datetime) -> int:
    """Return the day of a moment as SimTraffic counts days."""
    return int(moment.timestamp()) // 86_400


def record(session: Session, limit: int = BATCH) -> int:
    """Add a sample of each client that reported since its last one, of at most `limit` clients.

    Returns how many there were; as many as the limit means that there are more.
    """
    reports = session.execute(_reports().limit(limit)).all()
    if not reports:
        return 0
    series_ids = _series_ids(session, reports)
    samples, latest = [], []
    spent: Counter[tuple[int, str, int, str]] = Counter()
    for report in reports:
        series_id = series_ids[report.tenant_id, report.client_id]
        before = Counters(report.rx_total_bytes, report.tx_total_bytes, report.uptime_s)
        now = counters(report.stats)
        passed = dict(zip(TRAFFIC, traffic(before, now), strict=True))
        card_before = Counters(report.card_rx_total_bytes, report.card_tx_total_bytes, report.uptime_s)
        card = counters(report.stats, "card")
        tells_apart = card.rx_bytes is not None
        over_the_card = dict(zip(TRAFFIC, traffic(card_before, card), strict=True)) if tells_apart else passed
        signal = signals(report.stats)
        at_s = int(report.stats_at.timestamp())
        samples.append({"series_id": series_id, "at_s": at_s, **signal, **passed})
        latest.append(
            {
                "series_id": series_id,
                # Up to the end of the second, which has its sample.
                "sampled_at": report.stats_at.replace(microsecond=0) + timedelta(seconds=1),
                "rx_total_bytes": now.rx_bytes,
                "tx_total_bytes": now.tx_bytes,
                "card_rx_total_bytes": card.rx_bytes,
                "card_tx_total_bytes": card.tx_bytes,
                "uptime_s": now.uptime_s,
                **signal,
            }
        )
        sim = sim_of(report.iccid, report.bank_id, report.slot_id)
        for name, number in over_the_card.items():
            if number:
                spent[report.tenant_id, sim, day_of(report.stats_at), name] += number
    add_rows(session, [(RawSample, samples)])
    session.execute(update(ClientSeries), latest)
    _spend(session, spent)
    return len(reports)


def _reports() -> Select[Any]:
    return (
        select(
            ServiceProfile.tenant_id,
            ServiceProfile.client_id,
            ServiceProfile.bank_id,
            ServiceProfile.slot_id,
            Slot.iccid,
            ClientState.stats,
            ClientState.stats_at,
            ClientSeries.series_id,
            ClientSeries.rx_total_bytes,
            ClientSeries.tx_total_bytes,
            ClientSeries.card_rx_total_bytes,
            ClientSeries.card_tx_total_bytes,
            ClientSeries.uptime_s,
        )
        .join(ClientState, ClientState.profile_id == ServiceProfile.profile_id)
        .join(Slot, and_(Slot.bank_id == ServiceProfile.bank_id, Slot.slot_id == ServiceProfile.slot_id))
        .join(
            ClientSeries,
            and_(
                ClientSeries.tenant_id == ServiceProfile.tenant_id,
                ClientSeries.client_id == ServiceProfile.client_id,
            ),
            isouter=True,
        )
        .where(
            ServiceProfile.status == ProfileStatus.ACTIVE,
            ClientState.stats_at.is_not(None),
            or_(ClientSeries.series_id.is_(None), ClientState.stats_at >= ClientSeries.sampled_at),
        )
    )


def _series_ids(session: Session, reports: Sequence[Row[Any]]) -> dict[tuple[int, str], int]:
    known = {
        (report.tenant_id, report.client_id): report.series_id
        for report in reports
        if report.series_id is not None
    }
    fresh = [
        {"tenant_id": report.tenant_id, "client_id": report.client_id, "sampled_at": report.stats_at}
        for report in reports
        if report.series_id is None
    ]
    if not fresh:
        return known
    made = session.execute(
        insert(ClientSeries).returning(
            ClientSeries.tenant_id, ClientSeries.client_id, ClientSeries.series_id
        ),
        fresh,
    )
    return known | {(row.tenant_id, row.client_id): row.series_id for row in made}


def _spend(session: Session, spent: Mapping[tuple[int, str, int, str], int]) -> None:
    rows: dict[tuple[int, str, int], dict[str, Any]] = {}
    for (tenant_id, sim, day, name), number in spent.items():
        row = {"tenant_id": tenant_id, "sim": sim, "day": day, "rx_bytes": 0, "tx_bytes": 0}
        rows.setdefault((tenant_id, sim, day), row)[name] = number
    if not rows:
        return
    statement = insert_or(session, SimTraffic)
    grown = {name: getattr(SimTraffic, name) + statement.excluded[name] for name in TRAFFIC}
    session.execute(
        statement.on_conflict_do_update(index_elements=["tenant_id", "sim", "day"], set_=grown),
        list(rows.values()),
    )


def roll_up(session: Session, now: datetime) -> bool:
    """Roll up complete stretches of time to five minutes and to hours.

    Returns whether there is more to do: after a long absence it goes step by step.
    """
    limit_s = int(now.timestamp()) - _LATE_S
    more = False
    for rollup, resolution_s in ((FiveMinuteSample, FIVE_MINUTES_S), (HourSample, HOUR_S)):
        progress = session.get(RollupProgress, resolution_s)
        if progress is None:
            first_s = session.scalar(select(func.min(RawSample.at_s)))
            if first_s is None:
                continue
            progress = RollupProgress(
                resolution_s=resolution_s, done_until_s=first_s - first_s % resolution_s
            )
            session.add(progress)
        complete_s = limit_s - limit_s % resolution_s
        end_s = min(complete_s, progress.done_until_s + _ROLLED_UP_AT_ONCE_S)
        if end_s > progress.done_until_s:
            _roll_up(session, rollup, resolution_s, progress.done_until_s, end_s)
            progress.done_until_s = end_s
        more = more or end_s < complete_s
    return more


def _roll_up(
    session: Session,
    rollup: type[FiveMinuteSample] | type[HourSample],
    resolution_s: int,
    first_s: int,
    end_s: int,
) -> None:
    begin_s = RawSample.at_s - RawSample.at_s % resolution_s
    columns = {"series_id": RawSample.series_id, "at_s": begin_s, "samples": func.count()}
    for name in SIGNALS:
        sample = getattr(RawSample, name)
        columns |= {name: func.avg(sample), f"{name}_min": func.min(sample), f"{name}_max": func.max(sample)}
    columns |= {name: func.sum(getattr(RawSample, name)) for name in TRAFFIC}
    stretch = (
        select(*columns.values())
        .where(RawSample.at_s >= first_s, RawSample.at_s < end_s)
        .group_by(RawSample.series_id, begin_s)
    )
    session.execute(insert(rollup).from_select(list(columns), stretch))


def drop_old(session: Session, now: datetime) -> None:
    """Delete samples that are kept in a coarser form, and the coarsest and the SIMs' days after 400 days."""
    now_s = int(now.timestamp())
    rolled_up_s = session.scalar(select(func.min(RollupProgress.done_until_s))) or 0
    for statement in (
        delete(RawSample).where(RawSample.at_s < min(now_s - RAW_KEPT_S, rolled_up_s)),
        delete(FiveMinuteSample).where(FiveMinuteSample.at_s < now_s - FIVE_MINUTES_KEPT_S),
        delete(HourSample).where(HourSample.at_s < now_s - HOURS_KEPT_S),
        delete(SimTraffic).where(SimTraffic.day < day_of(now) - _TRAFFIC_KEPT_DAYS),
    ):
        session.execute(statement.execution_options(synchronize_session=False))
