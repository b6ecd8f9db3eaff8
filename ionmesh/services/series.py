"""A client's signal and traffic over time, as charts want it: columns of at most some hundred points.

Samples are kept as they came for a day, by five minutes for thirty days, by the hour beyond (`sampling`
makes, rolls up and drops them). A reading takes the coarsest of the three that still gives the points asked
for, and what is not rolled up yet from the samples themselves, so that the newest point is never missing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from ionmesh.models import ClientSeries, FiveMinuteSample, HourSample, RawSample, RollupProgress

SIGNALS = ("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db")
TRAFFIC = ("rx_bytes", "tx_bytes")
METRICS = (*SIGNALS, *TRAFFIC)
POINTS_MAX = 500

RAW_KEPT_S = 86_400
FIVE_MINUTES_S = 300
FIVE_MINUTES_KEPT_S = 30 * 86_400
HOUR_S = 3600
HOURS_KEPT_S = 400 * 86_400

# Widths of a point, in seconds. The narrowest is the usual heartbeat interval.
_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
# Where nothing came for so many times the usual distance of points, a chart's line is to break.
_HOLE = 3


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of the same length, by time. A point stands for `step_s` seconds from its time on.

    Signal values are means, with the lowest and highest sample beside them; traffic is the bytes of the
    stretch. None: nothing known. Stretches without a sample have no point, but a hole has one of None, so
    that a line breaks there.
    """

    step_s: int
    times_s: list[int]
    """Seconds since the epoch."""
    values: dict[str, list[float | None]]
    """By metric: `rssi_dbm`, `rsrp_dbm`, `rsrq_db`, `sinr_db`, `rx_bytes`, `tx_bytes`."""
    lowest: dict[str, list[float | None]]
    """Of the signal metrics asked for."""
    highest: dict[str, list[float | None]]


def read(
    session: Session,
    tenant_id: int,
    client_id: str,
    metrics: Sequence[str],
    since: datetime,
    until: datetime,
    points: int = POINTS_MAX,
) -> Series:
    """Return what is known of a client in [since, until), in about `points` points at most.

    `metrics` are names out of METRICS. A client of which nothing is known, or of another tenant, has no
    points. Times are rounded outwards to whole points, whose width may be more than was asked for where
    only coarser samples are left.
    """
    done_until_s = _progress(session)
    step_s = step_for((until - since).total_seconds(), points)
    rollup = _source(since.timestamp(), step_s, done_until_s)
    step_s = max(step_s, _resolution_s(rollup))
    first_s = math.floor(since.timestamp() / step_s) * step_s
    end_s = math.ceil(until.timestamp() / step_s) * step_s
    series_id = session.scalar(
        select(ClientSeries.series_id).where(
            ClientSeries.tenant_id == tenant_id, ClientSeries.client_id == client_id
        )
    )
    rows: Sequence[Row[Any]] = ()
    if series_id is not None:
        rolled_up_s = done_until_s.get(_resolution_s(rollup), first_s)
        parts = [_of_raw(series_id, max(first_s, rolled_up_s), end_s)]
        if rollup is not None:
            parts.append(_of_rollup(rollup, series_id, first_s, min(end_s, rolled_up_s)))
        rows = session.execute(_points(union_all(*parts).subquery(), metrics, step_s)).all()
    return _columns(rows, metrics, step_s)


def step_for(span_s: float, points: int) -> int:
    """Return the width of a point, in seconds, so that a span is at most that many points."""
    wanted_s = span_s / max(1, min(points, POINTS_MAX))
    for step_s in _STEPS_S:
        if step_s >= wanted_s:
            return step_s
    return math.ceil(wanted_s / _STEPS_S[-1]) * _STEPS_S[-1]


def _progress(session: Session) -> dict[int, int]:
    rows = session.execute(select(RollupProgress.resolution_s, RollupProgress.done_until_s))
    return {row.resolution_s: row.done_until_s for row in rows}


Rollup = type[FiveMinuteSample] | type[HourSample]


def _source(since_s: float, step_s: int, done_until_s: dict[int, int]) -> Rollup | None:
    """Return the roll-up to read, None: the samples themselves."""
    if FIVE_MINUTES_S not in done_until_s:
        return None
    if step_s < FIVE_MINUTES_S and since_s >= done_until_s[FIVE_MINUTES_S] - RAW_KEPT_S:
        return None
    if step_s < HOUR_S and since_s >= done_until_s[FIVE_MINUTES_S] - FIVE_MINUTES_KEPT_S:
        return FiveMinuteSample
    return HourSample if HOUR_S in done_until_s else FiveMinuteSample


def _resolution_s(rollup: Rollup | None) -> int:
    return 0 if rollup is None else HOUR_S if rollup is HourSample else FIVE_MINUTES_S


def _of_raw(series_id: int, first_s: int, end_s: int) -> Select[Any]:
    sample = RawSample
    signals = [
        getattr(sample, name).label(f"{name}{end}") for name in SIGNALS for end in ("", "_min", "_max")
    ]
    columns = [sample.at_s, literal(1).label("samples"), *signals, sample.rx_bytes, sample.tx_bytes]
    return select(*columns).where(sample.series_id == series_id, sample.at_s >= first_s, sample.at_s < end_s)


def _of_rollup(rollup: Rollup, series_id: int, first_s: int, end_s: int) -> Select[Any]:
    signals = [getattr(rollup, f"{name}{end}") for name in SIGNALS for end in ("", "_min", "_max")]
    columns = [rollup.at_s, rollup.samples, *signals, rollup.rx_bytes, rollup.tx_bytes]
    return select(*columns).where(rollup.series_id == series_id, rollup.at_s >= first_s, rollup.at_s < end_s)


def _points(samples: FromClause, metrics: Sequence[str], step_s: int) -> Select[Any]:
    column = samples.c
    point_s = (column.at_s - column.at_s % step_s).label("point_s")
    wanted: list[ColumnElement[Any]] = [point_s]
    for name in metrics:
        if name in TRAFFIC:
            wanted.append(func.sum(column[name]).label(name))
            continue
        known = case((column[name].is_not(None), column.samples))
        wanted.append((func.sum(column[name] * column.samples) / func.sum(known)).label(name))
        wanted.append(func.min(column[f"{name}_min"]).label(f"{name}_min"))
        wanted.append(func.max(column[f"{name}_max"]).label(f"{name}_max"))
    return select(*wanted).group_by(point_s).order_by(point_s)


def _columns(rows: Sequence[Row[Any]], metrics: Sequence[str], step_s: int) -> Series:
    seen = [name for name in metrics if name in SIGNALS]
    result = Series(step_s, [], _empty(metrics), _empty(seen), _empty(seen))
    hole_s = _hole_s([int(row.point_s) for row in rows], step_s)
    for row in rows:
        if result.times_s and row.point_s - result.times_s[-1] > hole_s:
            _append(result, int(result.times_s[-1]) + step_s, None)
        _append(result, int(row.point_s), row)
    return result


def _empty(names: Sequence[str]) -> dict[str, list[float | None]]:
    return {name: [] for name in names}


def _hole_s(times_s: Sequence[int], step_s: int) -> float:
    distances = [later - earlier for earlier, later in pairwise(times_s)]
    return _HOLE * max(step_s, statistics.median(distances)) if distances else math.inf


def _append(result: Series, time_s: int, row: Row[Any] | None) -> None:
    result.times_s.append(time_s)
    for columns, end in ((result.values, ""), (result.lowest, "_min"), (result.highest, "_max")):
        for name, column in columns.items():
            value = None if row is None else getattr(row, name + end)
            # PostgreSQL's sums of whole numbers are decimals.
            column.append(None if value is None else float(value))
